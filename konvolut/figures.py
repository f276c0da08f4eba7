"""The house's charts: Vega-Lite specs made by Altair, one theme for all of them. Theme and page are in `konvolut.page`.

A title is a `Text`: one string, or one a language. A chart is drawn with the English one and carries the others along
(`usermeta`), so that a page can show whichever its reader asks for. Altair is slow to load, so only a chart loads it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log10
from typing import Any, Protocol, runtime_checkable

from konvolut.language import Text
from konvolut.page import INK, SERIES, Page, Spec, colour, places, said, svg, theme

__all__ = ["Page", "Spec", "bars", "colour", "curves", "matrix", "points", "reliability", "svg", "theme"]

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
    along = alt.X(f"{value}:Q", title=said(title), axis=alt.Axis(tickCount=6, format="~%" if share else "~g"))
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
