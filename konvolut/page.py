"""The house's theme, and the page its charts stand on: one HTML file that needs nothing else. No torch."""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from errno import EISDIR
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

from konvolut.language import CODES, Text, both

Spec = dict[str, Any]  # a Vega-Lite specification

SANS = "Arial, 'Helvetica Neue', system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"

# fmt: off
INK = {  # role -> (light, dark); text on paper has a contrast of 4.5 and more in both
    "paper": ("#fefdfb", "#17191d"), "ink":  ("#1d2126", "#e6e3dc"), "quiet": ("#5a5f69", "#a6a9b0"),
    "line":  ("#d8d4cb", "#3b3f47"), "wash": ("#f5f2ea", "#1f2228"), "deep":  ("#1b458f", "#9cc0ff"),
    "pale":  ("#e4ebf7", "#243149"),
}
SERIES = (  # told apart without red and green, and in grey by lightness and dash
    (("#1b458f", "#9cc0ff"), [1, 0]),       # blue
    (("#c2460f", "#e0703a"), [5, 3]),       # vermilion
    (("#7a2a68", "#dca3d0"), [2, 2]),       # plum
    (("#0b7a6d", "#33b7a0"), [9, 3]),       # teal
    (("#553f00", "#d9b036"), [8, 3, 2, 3]),  # ochre
    (("#3a3f47", "#dfe1e4"), [3, 1, 1, 1]),  # grey
)
# fmt: on
TWINS = dict([*INK.values(), *(pair for pair, _ in SERIES)])  # light -> dark
HOUSE = {"val": 0, "train": 1, "test": 2}  # what every report shows keeps its place


def colour(name: str, dark: bool = False) -> str:
    """The colour of a series wherever it appears: fixed for train, val and test, hashed from the name for others."""
    return SERIES[HOUSE.get(name, crc32(name.encode()) % len(SERIES))][0][dark]


def places(names: Iterable[str]) -> dict[str, int]:
    """Name -> row of SERIES: that of `colour`, or the next free one where two names of one chart would share it."""
    taken: dict[str, int] = {}
    for name in sorted(set(names), key=lambda n: (n not in HOUSE, n)):
        place = HOUSE.get(name, crc32(name.encode()) % len(SERIES))
        while place in taken.values() and len(taken) < len(SERIES):
            place = (place + 1) % len(SERIES)
        taken[name] = place
    return taken


def theme() -> Spec:
    """Vega-Lite's `config`, in the light colours; `svg` swaps each for its dark twin."""
    light = {role: pair[0] for role, pair in INK.items()}
    words = {"labelColor": light["quiet"], "titleColor": light["ink"], "labelFontSize": 11, "titleFontSize": 11.5}
    axis = {"domainColor": light["quiet"], "tickColor": light["quiet"], "gridColor": light["line"], "tickSize": 4}
    return {
        "background": light["paper"], "font": SANS, "aria": False,
        "padding": {"left": 4, "top": 6, "bottom": 4, "right": 16},
        "axis": {**words, **axis, "titleFontWeight": "normal", "titlePadding": 8, "gridOpacity": 0.7},
        "legend": {**words, "titleFontWeight": "normal", "gradientThickness": 9},
        "view": {"stroke": None},
        "text": {"color": light["ink"], "fontSize": 11},
    }  # fmt: skip


def svg(chart: Spec, dark: bool = False) -> str:
    """Draw a chart without a browser; its words stay text, so Chinese shows and can be searched."""
    import vl_convert

    twins = TWINS if dark else {}
    themed = {k: v for k, v in chart.items() if k != "usermeta"} | {"config": theme()}
    return str(vl_convert.vegalite_to_svg(json.dumps(_swapped(themed, twins)), vl_version="6.1"))


def in_dark(chart: Spec, light: str) -> str:
    """The drawing `svg` makes of `chart` in the dark colours, from the one it made in the light ones.

    Where a colour lies between two of the house's, as in a ramp, it is drawn again; that takes a tenth of a second.
    """
    used = set(re.findall(r'(?:fill|stroke|stop-color)="([^"]*)"', light))
    if not used <= {"none", "transparent", *TWINS}:
        return svg(chart, dark=True)
    return re.sub(r'((?:fill|stroke)=")(#[0-9a-f]{6})', lambda found: found[1] + TWINS[found[2]], light)


def _swapped(value: Any, twins: Mapping[str, str]) -> Any:
    """Every colour replaced by its twin; data and domains are the user's and are left alone."""
    if isinstance(value, dict):
        return {k: v if k in ("values", "domain", "datasets", "sort") else _swapped(v, twins) for k, v in value.items()}
    if isinstance(value, list):
        return [_swapped(v, twins) for v in value]
    return twins.get(value, value) if isinstance(value, str) else value


def said(text: Text) -> str:
    """`text` in the source language, or as it is."""
    return text if isinstance(text, str) else text[CODES[0]]


def marked(text: Text) -> str:
    """`text` as HTML: escaped, one span a language where it has several; the page shows the reader's."""
    if isinstance(text, str):
        return escape(_printable(text))
    if len(set(text.values())) == 1:
        return escape(_printable(text[CODES[0]]))
    return "".join(f'<span lang="{code}">{escape(_printable(text[code]))}</span>' for code in CODES)


def _printable(text: str) -> str:
    """Bytes of a file name that are not UTF-8 come as lone surrogates, which no page can hold."""
    return text.encode("utf-8", "backslashreplace").decode()


class Page:
    """One self-contained HTML page, filled from top to bottom.

    Whatever is given is escaped. It holds every language and both themes; without scripts it is English and follows
    the system's theme; with `lang` it opens in that language whatever its reader's is. A policy in its head forbids it
    to fetch anything.
    """

    def __init__(self, title: Text, kicker: Text = "", lang: str | None = None) -> None:
        self.title, self.lang = title, lang
        self._made = 0  # ids handed out
        self._body = [f'<p class="kicker">{marked(kicker)}</p>' if kicker else "", f"<h1>{marked(title)}</h1>"]

    def _id(self) -> str:
        self._made += 1
        return f"k{self._made}"

    def headline(self, figure: Text, words: Text) -> None:
        """The one number the page is about, and what it means."""
        self._body.append(f'<p class="headline"><strong>{marked(figure)}</strong> <span>{marked(words)}</span></p>')

    def section(self, title: Text) -> None:
        self._body.append(f"<h2>{marked(title)}</h2>")

    def text(self, words: Text) -> None:
        """One paragraph."""
        self._body.append(f"<p>{marked(words)}</p>")

    def items(self, items: Iterable[Text]) -> None:
        """A list."""
        self._body.append("<ul>" + "".join(f"<li>{marked(item)}</li>" for item in items) + "</ul>")

    def facts(self, pairs: Iterable[tuple[Text, Text]]) -> None:
        """Names and what they are, side by side."""
        rows = "".join(f"<dt>{marked(name)}</dt><dd>{marked(value)}</dd>" for name, value in pairs)
        self._body.append(f"<dl>{rows}</dl>")

    def code(self, lines: Iterable[str]) -> None:
        """Lines to copy, as they are."""
        self._body.append("<pre><code>" + escape(_printable("\n".join(lines))) + "</code></pre>")

    def table(
        self, head: Sequence[Text], rows: Sequence[Sequence[Text]], caption: Text, *, folded: bool = False
    ) -> None:
        """A table whose first column names its rows; numbers are set to the right. Folded: shown on demand."""
        right = [i > 0 and all(_NUMBER.fullmatch(said(row[i])) for row in rows) for i in range(len(head))]
        kind = [' class="n"' if r else "" for r in right]
        top = "".join(f'<th scope="col"{kind[i]}>{marked(cell)}</th>' for i, cell in enumerate(head))
        body = "".join(
            f'<tr><th scope="row"{kind[0]}>{marked(row[0])}</th>'
            + "".join(f"<td{kind[i]}>{marked(cell)}</td>" for i, cell in enumerate(row) if i)
            + "</tr>"
            for row in rows
        )
        name = f"<caption>{marked(caption)}</caption>"
        table = f"<table>{name}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        table = f'<div class="wide" tabindex="0">{table}</div>'  # it scrolls, and the keyboard must reach it
        self._body.append(f"<details><summary>{marked(caption)}</summary>{table}</details>" if folded else table)

    def figure(self, *charts: Spec, caption: Text) -> None:
        """Charts side by side over one caption, each drawn light and dark."""
        name = f'"{self._id()}"'
        drawn = ""
        for chart in charts:
            light = svg(chart)
            for theme, picture in (("light", light), ("dark", in_dark(chart, light))):
                held = self._inline(chart, picture)
                drawn += f'<div class="{theme}" role="img" aria-labelledby={name}>{held}</div>'
        self._body.append(
            f'<figure><div class="panels">{drawn}</div><figcaption id={name}>{marked(caption)}</figcaption></figure>'
        )

    def pictures(
        self, pictures: Iterable[tuple[bytes | None, str, Sequence[Text]]], caption: Text, large: bool = False
    ) -> None:
        """A grid of pictures: PNG bytes (None: none to show), what to say instead of it, lines below it.

        They are shown at most 96 px wide, or 240 px where `large`.
        """
        cells, bare = [], True
        for png, alt, lines in pictures:
            bare = bare and not lines
            said_instead = escape(_printable(alt))
            if png:
                kind = "jpeg" if png.startswith(b"\xff\xd8") else "png"
                held = f'<img src="data:image/{kind};base64,{b64encode(png).decode()}" alt="{said_instead}">'
            else:
                gone = marked(both("no picture"))
                held = f'<span class="gone" role="img" aria-label="{said_instead}">{gone}</span>'
            cells.append(f"<li>{held}{''.join(f'<span>{marked(line)}</span>' for line in lines)}</li>")
        grid = f'<ul class="pictures{" bare" * bare}{" large" * large}">{"".join(cells)}</ul>'
        self._body.append(f"<figure>{grid}<figcaption>{marked(caption)}</figcaption></figure>")

    def _inline(self, chart: Spec, drawn: str) -> str:
        """An SVG for use inside HTML: ids of its own (the renderer hands out clip0 again and again), words in spans."""
        own = self._id()
        drawn = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}-", drawn).replace(' pointer-events="none"', "")
        drawn = _HOVER.sub(r"\1\3><title>\2</title></path>", drawn)
        for text in chart.get("usermeta", {}).get("words", []):
            spans = "".join(f'<tspan lang="{code}">{escape(text[code], quote=False)}</tspan>' for code in CODES)
            drawn = drawn.replace(f">{escape(text[CODES[0]], quote=False)}</text>", f">{spans}</text>")
        return drawn

    def html(self) -> str:
        """The whole file."""
        codes = "".join(
            f'<button type="button" data-lang="{c}">{n}</button>' for c, n in (("en", "English"), ("zh", "中文"))
        )
        switch = f'<button type="button" data-theme>{marked(both("light / dark"))}</button>'
        opens = f'lang="{self.lang}" data-fixed' if self.lang else f'lang="{CODES[0]}"'
        return (
            f'<!doctype html>\n<html {opens}>\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
            f"<title>{escape(_printable(said(self.title)))}</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
            f"<nav hidden>{codes}{switch}</nav>\n<main>\n{chr(10).join(filter(None, self._body))}\n</main>\n"
            f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
        )

    def write(self, path: Path) -> Path:
        """Write it to `path` so that a reader finds the old page or the new one, never half of one."""
        if path.is_dir():  # as what "" names is
            raise IsADirectoryError(EISDIR, "a folder; name a file", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            part.write_text(self.html(), encoding="utf-8")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path


_HOVER = re.compile(r'(<path )aria-label="([^"]*)" ([^>]*?)/>')  # a mark that says what it is says so under the pointer
_NUMBER = re.compile(r"[-−+±]?[\d.,]+[KMG]?(e[-+]?\d+)?(\s?%)?([-–][\d.,]+\s?%?)?|[-–—]|")

_SCRIPT = """(function () {
  var root = document.documentElement, nav = document.querySelector("nav");
  if (!("fixed" in root.dataset) && /^zh/i.test(navigator.language)) root.lang = "zh";
  nav.hidden = false;
  nav.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.lang) { root.lang = button.dataset.lang; return; }
    var system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
  });
})();"""


def _style() -> str:
    light, dark = ("".join(f"--{role}:{pair[d]};" for role, pair in INK.items()) for d in (False, True))
    night = f"color-scheme:dark;{dark}", ".light{display:none}.dark{display:block}"
    themed = night[1].replace(".", ":root[data-theme=dark] .")
    system = night[1].replace(".", ":root:not([data-theme=light]) .")
    return (
        f":root{{color-scheme:light;{light}--sans:{SANS}}}.dark{{display:none}}\n"
        f"@media screen{{:root[data-theme=dark]{{{night[0]}}}{themed}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{night[0]}}}{system}}}\n{_CSS}"
    )


_CSS = """\
:root[lang=en] :is(span,tspan)[lang=zh],:root[lang=zh] :is(span,tspan)[lang=en]{display:none}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;
  font:1.06rem/1.55 Charter,'Bitstream Charter','Sitka Text',Cambria,Georgia,'Songti SC',SimSun,
  'Noto Serif CJK SC',serif}
main{max-width:56rem;margin:0 auto;padding:1.2rem 1.4rem 5rem}
nav{max-width:56rem;margin:0 auto;padding:1rem 1.4rem 0;text-align:right}
nav[hidden]{display:none}
button{font:.8rem var(--sans);color:var(--quiet);background:none;border:0;padding:.3rem .5rem;cursor:pointer}
button:hover,button:focus-visible{color:var(--ink);text-decoration:underline;text-underline-offset:.25em}
:root[lang=en] [data-lang=en],:root[lang=zh] [data-lang=zh]{color:var(--ink);font-weight:600}
.kicker{font:.8rem var(--sans);letter-spacing:.03em;color:var(--quiet);margin:1.4rem 0 .3rem}
h1{font-size:2.1rem;line-height:1.2;font-weight:600;margin:0 0 1.6rem;letter-spacing:-.01em;overflow-wrap:anywhere}
h3{font-size:1.08rem;font-weight:600;margin:2.2rem 0 .5rem;max-width:42rem;line-height:1.4}
:is(h3,.verdict) small{font:.78rem var(--sans);color:var(--quiet);margin-right:.4rem}
.verdict{margin-top:1.3rem}
.verdict strong{color:var(--deep);font:600 .92rem var(--sans);margin-right:.5rem}
a{color:var(--deep)}
h2{font-size:1.3rem;font-weight:600;margin:3rem 0 .7rem;padding-top:.8rem;border-top:1px solid var(--line)}
p,ul{max-width:42rem}
p{margin:.6rem 0}
.headline{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;align-items:baseline;margin:0 0 1.2rem}
.headline strong{font-size:3.6rem;line-height:1;font-weight:600;color:var(--deep);letter-spacing:-.02em;
  font-variant-numeric:lining-nums}
.headline>span{flex:1 1 18rem}
dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.28rem 1.4rem;margin:1rem 0;
  font:.88rem/1.5 var(--sans)}
dt{color:var(--quiet)}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:1.3rem 0}
table{border-collapse:collapse;font:.86rem/1.4 var(--sans);font-variant-numeric:tabular-nums lining-nums;
  border-top:1.5px solid var(--ink);border-bottom:1.5px solid var(--ink)}
caption{caption-side:top;text-align:left;color:var(--quiet);padding-bottom:.45rem}
th,td{padding:.26rem 1.1rem .26rem 0;text-align:left;vertical-align:top;font-weight:400}
thead th{border-bottom:.75px solid var(--ink);color:var(--quiet);vertical-align:bottom;white-space:nowrap}
tbody tr:nth-child(5n):not(:last-child)>*{border-bottom:.75px solid var(--line)}
.n{text-align:right;white-space:nowrap}
:is(th,td):last-child{padding-right:.2rem}
figure{margin:1.6rem 0}
.panels{display:flex;flex-wrap:wrap;gap:.6rem 1.4rem}
.panels>div{max-width:100%}
svg{max-width:100%;height:auto;display:block;overflow:visible}
figcaption{max-width:42rem;color:var(--quiet);font:.84rem/1.5 var(--sans);margin-top:.6rem}
.pictures{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(7.4rem,1fr));gap:1.1rem .9rem;
  padding:0;margin:0;max-width:none;font:.76rem/1.4 var(--sans)}
ul.bare{grid-template-columns:repeat(auto-fill,minmax(84px,max-content));gap:.5rem}
.bare img{margin:0}
.pictures li>span{display:block;overflow-wrap:anywhere}
.pictures li>span~span{color:var(--quiet)}
.pictures img,.pictures .gone{display:block;max-width:96px;margin-bottom:.35rem;outline:1px solid var(--line)}
.pictures.large{grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
.pictures.large img{max-width:240px;width:240px;image-rendering:pixelated}
.pictures .gone{width:96px;height:96px;padding:2.3rem .4rem;text-align:center;color:var(--quiet);background:var(--wash)}
pre{font:.82rem/1.6 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;background:var(--wash);padding:.8rem 1rem;
  overflow-x:auto;border-left:2px solid var(--deep)}
summary{font:.86rem var(--sans);color:var(--deep);cursor:pointer;margin:.8rem 0}
details caption{display:none}
@media print{nav{display:none!important}body{font-size:10pt}h2{break-after:avoid}
  figure,tr,.pictures li{break-inside:avoid}
  .wide{overflow:visible}main{max-width:none;padding:0}}
"""
