"""The house's charts: Vega-Lite specs made by Altair, one theme for all of them. Theme and page are in `konvolut.page`.

A title is a `Text`: one string, or one a language. A chart is drawn with the English one and carries the others along
(`usermeta`), so that a page can show whichever its reader asks for. Altair is slow to load, so only a chart loads it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import floor, log10
from typing import Any, Protocol, runtime_checkable

from konvolut.language import Text
from konvolut.page import INK, SERIES, Page, Spec, colour, places, said, svg, theme

__all__ = [
    "Page",
    "Spec",
    "bars",
    "colour",
    "curves",
    "forest",
    "histogram",
    "matrix",
    "points",
    "regions",
    "reliability",
    "svg",
    "theme",
    "timeline",
]

Row = Mapping[str, Any]


def _spec(chart: Any, words: Iterable[Text]) -> Spec:
    return {**chart.to_dict(validate=False), "usermeta": {"words": [dict(w) for w in words if not isinstance(w, str)]}}


def curves(
    rows: Sequence[Row],
    x: str,
    y: str,
    series: str,
    *,
    titles: tuple[Text, Text],
    names: Mapping[str, Text] | None = None,
    bands: bool = False,
    share: bool = False,
    log: bool = False,
    width: int = 330,
    height: int = 210,
) -> Spec:
    """Lines with a label at the end of each instead of a legend; a dot for every row, so one epoch shows too.

    rows: one a point, with the fields `x`, `y`, `series`, and `lower` and `upper` where `bands` is asked for.
    names: what to call a series in print. share: y is a share, printed as per cent. log: y on a logarithmic axis.
    """
    import altair as alt

    names, keys = names or {}, list(dict.fromkeys(str(row[series]) for row in rows))
    place = places(keys)
    whole = all(float(row[x]).is_integer() for row in rows)
    axis_x = alt.Axis(grid=False, format="d" if whole else "", tickMinStep=1 if whole else 0, tickCount=6)
    reach = [float(row[key]) for row in rows for key in ((y, "lower", "upper") if bands else (y,))]
    scale = alt.Scale(zero=False, nice=not log, type="log" if log else "linear")
    if max(reach) > min(reach):  # fixed by the data, so that a label moved aside does not stretch it
        scale.domain = [min(reach), max(reach)]
    across = alt.X(f"{x}:Q", title=said(titles[0]), axis=axis_x, scale=alt.Scale(nice=False, zero=False))
    up = alt.Y(f"{y}:Q", title=said(titles[1]), scale=scale, axis=alt.Axis(tickCount=5, format="~%" if share else "~g"))
    tint = alt.Color(
        f"{series}:N", legend=None, scale=alt.Scale(domain=keys, range=[SERIES[place[k]][0][0] for k in keys])
    )
    dash = alt.StrokeDash(
        f"{series}:N", legend=None, scale=alt.Scale(domain=keys, range=[SERIES[place[k]][1] for k in keys])
    )

    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(across, up, tint)
    layers = [base.mark_line(strokeWidth=1.8).encode(dash), base.mark_point(filled=True, opacity=1, size=14)]
    if bands:
        layers.insert(
            0, base.mark_area(opacity=0.18).encode(alt.Y("lower:Q", title=said(titles[1])), alt.Y2("upper:Q"))
        )
    if len(keys) > 1 or names:
        last = {str(row[series]): row for row in sorted(rows, key=lambda row: float(row[x]))}
        heights = parted([float(last[k][y]) for k in keys], min(reach), max(reach), 14 / height, log)
        ends = [
            {"x": last[k][x], "y": h, series: k, "label": said(names.get(k, k))}
            for k, h in zip(keys, heights, strict=True)
        ]
        label = alt.Chart(alt.Data(values=ends)).mark_text(align="left", dx=7, baseline="middle")
        layers.append(label.encode(alt.X("x:Q"), alt.Y("y:Q"), tint, alt.Text("label:N")))
    return _spec(alt.layer(*layers).properties(width=width, height=height), [*titles, *names.values()])


def parted(values: Sequence[float], low: float, high: float, gap: float, log: bool = False) -> list[float]:
    """Heights for labels at `values` on an axis from low to high: in the same order, `gap` (a share of it) apart.

    >>> parted([1.0, 1.0, 0.0], 0.0, 1.0, 0.1)
    [0.95, 1.05, 0.0]
    """
    to, back = (log10, lambda v: 10**v) if log else (float, float)
    step = gap * ((to(high) - to(low)) or 1.0)
    order = sorted(range(len(values)), key=lambda i: values[i])
    heights = [to(values[i]) for i in order]
    for _ in range(20):  # pairs that are too close move apart by equal amounts until none is
        for a in range(len(heights) - 1):
            lack = step - (heights[a + 1] - heights[a])
            if lack > 1e-12:
                heights[a] -= lack / 2
                heights[a + 1] += lack / 2
    placed = dict(zip(order, heights, strict=True))
    return [back(placed[i]) for i in range(len(values))]


def bars(
    rows: Sequence[Row],
    label: str,
    value: str,
    *,
    title: Text,
    share: bool = False,
    width: int = 420,
    name: str = "val",
) -> Spec:
    """One bar a row, in the order given, from zero; whiskers where a row has `lower` and `upper`."""
    import altair as alt

    data = alt.Data(values=[dict(row) for row in rows])
    down = alt.Y(f"{label}:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=220))
    along = alt.X(f"{value}:Q", title=said(title), axis=alt.Axis(tickCount=6, format="~%" if share else "~s"))
    layers = [alt.Chart(data).mark_bar(color=colour(name), size=11, opacity=0.85).encode(along, down)]
    if any("lower" in row for row in rows):
        layers.append(alt.Chart(data).mark_rule(color=INK["ink"][0], strokeWidth=1.2).encode(
            alt.X("lower:Q", title=said(title)), alt.X2("upper:Q"), down))  # fmt: skip
    return _spec(alt.layer(*layers).properties(width=width, height=alt.Step(20)), [title])


def points(
    seeds: Sequence[Row],
    means: Sequence[Row],
    arm: str,
    value: str,
    *,
    title: Text,
    share: bool = False,
    width: int = 420,
) -> Spec:
    """Arms down, values along: a small dot for every seed, a large one for the mean, a line for its interval.

    seeds: fields `arm` and `value`. means: fields `arm`, `mean`, and `lower` and `upper` where there is an interval.
    """
    import altair as alt

    arms = list(dict.fromkeys(str(row[arm]) for row in [*means, *seeds]))
    place = places(arms)
    tint = alt.Color(
        f"{arm}:N", legend=None, scale=alt.Scale(domain=arms, range=[SERIES[place[k]][0][0] for k in arms])
    )
    down = alt.Y(f"{arm}:N", title=None, sort=arms, axis=alt.Axis(ticks=False, domain=False, grid=True, labelLimit=240))
    axis = alt.Axis(tickCount=6, format="~%" if share else "~g")
    single = alt.Chart(alt.Data(values=[dict(row) for row in seeds])).mark_circle(size=26, opacity=0.5)
    mean = alt.Chart(alt.Data(values=[dict(row) for row in means]))
    scale = alt.Scale(zero=False)
    layers = (
        mean.mark_rule(strokeWidth=2).encode(alt.X("lower:Q", title=said(title)), alt.X2("upper:Q"), down, tint),
        single.encode(
            alt.X(f"{value}:Q", title=said(title), axis=axis, scale=scale), down, tint, yOffset=alt.value(-7)
        ),
        mean.mark_point(filled=True, size=80, opacity=1).encode(
            alt.X("mean:Q", title=said(title), scale=scale), down, tint
        ),
    )
    return _spec(alt.layer(*layers).properties(width=width, height=alt.Step(34)), [title])


def forest(rows: Sequence[Row], *, title: Text, beyond: Text, width: int = 360) -> Spec:
    """Differences down, each as a multiple of the smallest that matters: a tick a seed, the mean, its interval as a line.

    rows: fields `about`, `mean`, `lower`, `upper`, `singles` (one a seed) and `decided`: a full dot where the interval
    decides, else a hollow one. 0 and 1 are lines; `beyond` is what 1 is called. The axis is linear to 1, then in powers.
    """
    import altair as alt

    names = list(dict.fromkeys(str(row["about"]) for row in rows))
    down = alt.Y("about:N", title=None, sort=names, axis=alt.Axis(ticks=False, domain=False, grid=True, labelLimit=330))
    reach = [v for row in rows for v in (row["lower"], row["upper"], *row["singles"])]
    scale = alt.Scale(type="symlog", constant=1, domain=[min(-1.2, *reach), max(1.4, *reach)], nice=False)
    axis = alt.Axis(values=_powers(min(reach), max(reach)), format="~r", grid=False)
    along = {name: alt.X(f"{name}:Q", title=said(title), scale=scale, axis=axis) for name in ("mean", "lower", "value")}
    singles = [
        {"about": row["about"], "value": v, "said": f"seed {i}: {v:+.3g}"}
        for row in rows for i, v in enumerate(row["singles"])
    ]  # fmt: skip
    held = alt.Chart(alt.Data(values=[{k: v for k, v in row.items() if k != "singles"} for row in rows]))
    lines = alt.Chart(alt.Data(values=[{"value": 0.0, "word": ""}, {"value": 1.0, "word": said(beyond)}]))
    fill = alt.condition("datum.decided", alt.value(INK["deep"][0]), alt.value(INK["paper"][0]))
    layers = (
        lines.mark_rule(color=INK["quiet"][0], strokeDash=[3, 3]).encode(along["value"]),
        lines.mark_text(color=INK["quiet"][0], dy=-7, fontSize=10, baseline="bottom").encode(
            along["value"], alt.Text("word:N"), y=alt.value(0)
        ),
        alt.Chart(alt.Data(values=singles))
        .mark_point(shape="stroke", angle=90, size=60, color=INK["quiet"][0], opacity=0.9)
        .encode(along["value"], down, description="said:N"),
        held.mark_rule(color=INK["deep"][0], strokeWidth=2).encode(along["lower"], alt.X2("upper:Q"), down),
        held.mark_point(size=70, filled=True, opacity=1, stroke=INK["deep"][0], strokeWidth=1.6).encode(
            along["mean"], down, fill=fill
        ),
    )
    return _spec(alt.layer(*layers).properties(width=width, height=alt.Step(24)), [title, beyond])


def histogram(
    values: Sequence[float],
    step: float,
    *,
    titles: tuple[Text, Text],
    mark: tuple[float, Text] | None = None,
    width: int = 420,
    height: int = 150,
) -> Spec:
    """How often values fall into ranges `step` wide, from 0 on; a range holds its lower end. `mark`: a value, and its name.

    titles: of the values, and of the counts.
    """
    import altair as alt

    places = Counter(floor(value / step + 1e-6) for value in values)  # 0.7 / 0.1 is 6.999999999999999
    rows = [{"from": i * step, "to": (i + 1) * step, "count": n} for i, n in sorted(places.items())]
    ends = [rows[0]["from"], rows[-1]["to"], *([mark[0]] if mark else [])]
    scale = alt.Scale(domain=[min(ends), max(ends)], nice=False, zero=False)
    across = alt.X("from:Q", title=said(titles[0]), scale=scale, axis=alt.Axis(tickCount=8, format="~g", grid=False))
    up = alt.Y("count:Q", title=said(titles[1]), axis=alt.Axis(tickCount=4, tickMinStep=1, format="d"))
    bars = alt.Chart(alt.Data(values=rows)).mark_bar(color=colour("val"), opacity=0.85)
    layers = [bars.encode(across, up, alt.X2("to:Q"), alt.Y2(datum=0))]
    if mark:
        late = mark[0] > (min(ends) + max(ends)) / 2  # its name stands on the side that has room
        own = alt.Chart(alt.Data(values=[{"at": mark[0], "name": said(mark[1])}]))
        at = alt.X("at:Q", title=said(titles[0]), scale=scale)
        layers += [
            own.mark_rule(color=INK["ink"][0], strokeWidth=1.6).encode(at),
            own.mark_text(align="right" if late else "left", dx=-5 if late else 5, dy=-7, baseline="bottom").encode(
                at, alt.Text("name:N"), y=alt.value(0)
            ),
        ]
    return _spec(alt.layer(*layers).properties(width=width, height=height), [*titles, *([mark[1]] if mark else [])])


def _powers(low: float, high: float) -> list[float]:
    """Ticks of an axis that is linear to 1 and then in powers of ten.

    >>> _powers(-3, 250)
    [-1, 0, 1, 10, 100]
    """
    most = int(log10(max(1.0, -low, high)))
    both = [sign * 10**n for n in range(most + 1) for sign in (-1, 1)]
    return sorted([0, *(v for v in both if min(low, -1) <= v <= max(high, 1))])


def regions(
    outlines: Sequence[Row],
    marks: Sequence[Row],
    *,
    title: Text,
    names: Mapping[str, Text] | None = None,
    side: int = 260,
) -> Spec:
    """Closed outlines in a plane and points with words beside them; both axes of one scale, and no numbers on them.

    outlines: fields `name`, `x`, `y`, `turn` (the order of its points). marks: `x`, `y`, `word`, and `dot`: is it a
    point, or are there words only?
    names: what a point is called in print, by its word.
    """
    import altair as alt

    names = names or {}
    reach = max(abs(float(row[axis])) for row in [*outlines, *marks] for axis in "xy") * 1.1
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    x, y = alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None)
    shown = [{**row, "word": said(names.get(row["word"], row["word"]))} for row in marks]
    words = alt.Chart(alt.Data(values=shown)).encode(x, y)
    layers = (
        alt.Chart(alt.Data(values=[dict(row) for row in outlines]))
        .mark_line(color=INK["deep"][0], strokeWidth=1.4, interpolate="linear-closed")
        .encode(x, y, alt.Detail("name:N"), alt.Order("turn:Q")),
        words.transform_filter("datum.dot").mark_point(filled=True, size=40, opacity=1, color=INK["ink"][0]),
        words.mark_text(align="left", dx=7, fontSize=11.5).encode(alt.Text("word:N")),
    )
    chart = alt.layer(*layers).properties(
        width=side, height=side, title=alt.Title(said(title), fontSize=12, anchor="start")
    )
    return _spec(chart, [title, *names.values()])


def timeline(events: Sequence[Row], *, title: Text, width: int = 300) -> Spec:
    """Events down in their order, each a dot at its year with words beside it. events: fields `year`, `what`."""
    import altair as alt

    rows = [{"year": row["year"], "what": said(row["what"]), "place": i} for i, row in enumerate(events)]
    years = [int(row["year"]) for row in rows]
    base = alt.Chart(alt.Data(values=rows)).encode(
        alt.X(
            "year:Q", title=said(title), axis=alt.Axis(format="d", tickMinStep=1, tickCount=8),
            scale=alt.Scale(domain=[min(years), max(years)], nice=False),
        ),
        alt.Y("place:O", axis=None),
    )  # fmt: skip
    dots = base.mark_point(filled=True, size=60, opacity=1, color=INK["deep"][0])
    words = base.mark_text(align="left", dx=9).encode(alt.Text("what:N"))
    chart = alt.layer(dots, words).properties(width=width, height=alt.Step(22))
    return _spec(chart, [title, *(row["what"] for row in events)])


def matrix(counts: Sequence[Sequence[int]], classes: Sequence[str], *, titles: tuple[Text, Text, Text]) -> Spec:
    """The confusion matrix: a cell's colour is its share of its row, on a square-root scale so that few mistakes show.

    counts: (k, k), row the true class, column the answer; cells of zero are left blank.
    titles: of the answers, of the truth, of the colour. Counts are printed up to 20 classes.
    """
    import altair as alt

    k = len(classes)
    cells = [
        {"truth": classes[i], "answer": classes[j], "count": int(n), "share": int(n) / int(sum(row))}
        for i, row in enumerate(counts) for j, n in enumerate(row) if n
    ]  # fmt: skip
    side = min(64.0, max(27.0, 420 / k)) if k <= 20 else max(5.5, 540 / k)
    names = {"sort": list(classes), "scale": alt.Scale(domain=list(classes), paddingInner=0.04 if k <= 30 else 0)}
    some = list(classes)[:: -(-k // 40)]  # names that fit beside each other; the renderer's own search takes seconds
    axis = {"ticks": False, "labelOverlap": False, "labelLimit": 130, "grid": False, "domain": k > 20, "values": some}
    longest = max(map(len, classes))
    flat = longest * 6.5 < side
    # a reader's font may be wider than the one measured with: leave the title room, for its labels grow towards it
    axis["titlePadding"] = 8 + 0.2 * min(130, 6 * longest)
    base = alt.Chart(alt.Data(values=cells)).encode(
        alt.X("answer:N", title=said(titles[0]), axis=alt.Axis(labelAngle=0 if flat else -90, **axis), **names),
        alt.Y("truth:N", title=said(titles[1]), axis=alt.Axis(**axis), **names),
    )
    ramp = alt.Scale(type="pow", exponent=0.5, domain=[0, 1], range=[INK["pale"][0], INK["deep"][0]])
    legend = alt.Legend(title=said(titles[2]), format="~%", values=[0, 0.05, 0.25, 0.5, 1], gradientLength=140)
    layers = [base.mark_rect().encode(alt.Color("share:Q", scale=ramp, legend=legend))]
    if k <= 20:
        on = alt.condition("datum.share > 0.3", alt.value(INK["paper"][0]), alt.value(INK["ink"][0]))
        layers.append(base.mark_text(fontSize=11).encode(alt.Text("count:Q"), color=on))
    return _spec(alt.layer(*layers).properties(width=side * k, height=side * k), titles)


@runtime_checkable
class Bin(Protocol):
    """Answers of about one confidence; `training.metrics` makes them."""

    @property
    def count(self) -> int: ...
    @property
    def confidence(self) -> float: ...
    @property
    def accuracy(self) -> float: ...


def reliability(bins: Sequence[Bin], *, titles: tuple[Text, Text], ideal: Text, side: int = 280) -> Spec:
    """How often answers were right (up) against how sure the net was (along); the gap to the diagonal is a line.

    Below it, the number of answers in each range.
    """
    import altair as alt

    rows = [{"sure": b.confidence, "right": b.accuracy, "count": b.count} for b in bins]
    unit, shown = alt.Scale(domain=[0, 1]), alt.Axis(tickCount=5, format="~%")
    across = alt.X("sure:Q", scale=unit, axis=alt.Axis(tickCount=5, labels=False, ticks=False), title=None)
    up = alt.Y("right:Q", scale=unit, axis=shown, title=said(titles[1]))
    data = alt.Chart(alt.Data(values=rows))
    line = alt.Chart(alt.Data(values=[{"sure": 0, "right": 0}, {"sure": 1, "right": 1}]))
    word = alt.Chart(alt.Data(values=[{"sure": 0.2, "right": 0.245, "word": said(ideal)}]))
    dots = alt.layer(
        line.mark_line(color=INK["quiet"][0], strokeDash=[3, 3], strokeWidth=1).encode(
            across, up.title(said(titles[1]))
        ),
        word.mark_text(angle=315, color=INK["quiet"][0]).encode(across, up, alt.Text("word:N")),
        data.mark_rule(color=colour("train"), strokeWidth=1.5).encode(across, up, alt.Y2("sure:Q")),
        data.mark_circle(color=colour("val"), opacity=1, size=60).encode(across, up),
    ).properties(width=side, height=side)
    below = across.title(said(titles[0])).axis(alt.Axis(tickCount=5, format="~%", grid=False))
    many, number = alt.Y("count:Q", title=None, axis=None), alt.Text("count:Q", format=".3~s")
    sticks = alt.layer(  # rules, not bars: bars would pad the axis and leave the dots above
        data.mark_rule(color=colour("val"), strokeWidth=9).encode(below, many, alt.Y2(datum=0)),
        data.mark_text(dy=-7, fontSize=9.5, color=INK["quiet"][0]).encode(below, many, number),
    ).properties(width=side, height=48)
    chart = alt.vconcat(dots, sticks, spacing=10)
    return _spec(chart, [*titles, ideal])
