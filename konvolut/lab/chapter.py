"""The chapter: the notes, sentence by sentence, each with what became of it. One self-contained page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from konvolut.lab.held import Held, held
from konvolut.lab.history import HISTORY
from konvolut.lab.index import STUDIES
from konvolut.lab.lost import AFTER
from konvolut.lab.notes import NOTES, Sentence
from konvolut.lab.page import differences
from konvolut.lab.study import Exact, Study
from konvolut.lab.verdict import Verdict
from konvolut.lab.words import MEANING, number, said
from konvolut.language import Text, both
from konvolut.lens.drawn import NetPage
from konvolut.page import marked

WRONG = ("contradicted", "conditional")


class ChapterPage(NetPage):
    """A page whose paragraphs may be numbered sentences and verdicts on them."""

    def sentence(self, id: str, words: Text) -> None:
        """A sentence of the notes, which others may point at."""
        self._body.append(f'<h3 id="{id}"><small>{id}</small> {marked(words)}</h3>')

    def verdict(self, id: str, word: Text, words: Text) -> None:
        """What was found of a claim: its id, the verdict, and the claim."""
        self._body.append(
            f'<p id="{id}" class="verdict"><small>{id}</small> <strong>{marked(word)}</strong> {marked(words)}</p>'
        )

    def links(self, items: Sequence[tuple[str, Text]]) -> None:
        """A list whose items lead to what they are about."""
        rows = "".join(f'<li><a href="#{id}">{id}</a> {marked(words)}</li>' for id, words in items)
        self._body.append(f"<ul>{rows}</ul>")


def write_chapter(path: Path, lang: str | None = None) -> Path:
    """Write the page of all sentences to `path`, whole or not at all, and return where it lies.

    It holds every language, and opens in `lang`, else in the reader's.
    """
    found = {id: result for id, study in STUDIES.items() if (result := held(study))}
    page = ChapterPage(both("From LeNet to ResNet, held against what happens"), "Konvolut", lang)
    opening(page, found)
    told: set[str] = set()
    for title, sentences in NOTES.items():
        page.section(both(title))
        for sentence in sentences:
            page.sentence(sentence.id, both(sentence.text))
            if sentence.id in AFTER:
                AFTER[sentence.id](page)
            for id in sentence.held_by.split():
                again = id in told
                told.add(id)
                one(page, id, found.get(id), again)
    return page.write(path)


def opening(page: ChapterPage, found: Mapping[str, Held]) -> None:
    """What the chapter is, how the sentences fared, and where they are wrong."""
    sentences = [s for chapter in NOTES.values() for s in chapter]
    words = [result.word for result in found.values()]
    page.headline(
        both("{n} of {of}", n=len(found), of=len(claims(sentences))),
        both(
            "claims behind {n} sentences of the lectures have been run: {exact} exact, {supported} supported, "
            "{conditional} conditional, {contradicted} contradicted, {inconclusive} inconclusive at this scale",
            n=len(sentences), **{word: words.count(word) for word in MEANING},
        ),
    )  # fmt: skip
    page.text(
        both(
            "Each sentence is followed by the claims that test it. A verdict rests on differences between arms that share "
            "their pictures, their order and their first weights, seed by seed; its figure shows each difference as a "
            "multiple of the smallest that matters, with its 95 % interval and a tick for every seed. The intervals speak of "
            "other first weights and orders; most studies keep their pictures. The line below repeats it."
        )
    )
    if wrong := [
        (id, both("{word}: {text}", word=both(r.word), text=both(STUDIES[id].claim.text)))
        for id, r in found.items()
        if r.word in WRONG
    ]:
        page.section(both("Where the lectures are wrong, or right on a condition"))
        page.links(wrong)


def claims(sentences: list[Sentence]) -> list[str]:
    """The claims behind sentences, each once; history is none."""
    return list(dict.fromkeys(id for s in sentences for id in s.held_by.split() if id not in HISTORY))


def conditions(found: Verdict) -> list[Text]:
    """What a conditional verdict turns on: which differences were found, which were not, and which are undecided."""
    words: dict[str, list[str]] = {}
    for one in found.findings:
        words.setdefault(one.word, []).append(one.contrast.about)
    if not words:  # of checks
        return list(found.condition.split("; "))
    return [both("{word}: {which}", word=both(word), which="; ".join(abouts)) for word, abouts in words.items()]


def one(page: ChapterPage, id: str, found: Held | None, again: bool) -> None:
    """A claim below its sentence: its verdict and numbers, its history, or that its study comes later."""
    if again:
        page.text(both("{id}: see above.", id=id))
    elif id in HISTORY:
        history(page, id)
    elif id not in STUDIES:
        page.text(both("{id}: its study comes in a later version.", id=id))
    elif found is None:
        page.verdict(id, both("not run"), both(STUDIES[id].claim.text))
        page.code([f"konvolut lab run {id}"])
    else:
        told(page, STUDIES[id], found)


def told(page: ChapterPage, study: Study, found: Held) -> None:
    """A verdict, what it rests on, and the line that repeats it."""
    claim = study.claim
    page.verdict(claim.id, both(found.word), both(claim.text))
    if found.verdict is None:
        page.text(
            both("Found by an earlier version, whose numbers this one cannot read; the line below finds them anew.")
        )
    else:
        if found.word == "conditional":
            page.items(conditions(found.verdict))
        if found.verdict.findings:
            page.figure(differences(found.verdict.findings), caption=caption(study, found))
        elif found.verdict.checks:
            rows = [(check.what, said(check), number(check.found)) for check in found.verdict.checks]
            page.table((both("what"), both("said"), both("counted")), rows, both("Number by number"), folded=True)
    if found.word != claim.expected:
        page.text(both("Before it was run we expected: {word}. {why}", word=both(claim.expected), why=both(claim.why)))
    else:
        page.text(both(claim.why))
    if found.old:
        page.text(both("The code has changed since; the line below finds it anew."))
    page.code([f"konvolut lab run {claim.id}"])


def caption(study: Study, found: Held) -> Text:
    """What the arms share, what was measured, at how many seeds."""
    assert not isinstance(study, Exact)
    assert found.verdict is not None
    n = found.verdict.findings[0].difference.n
    units = "; ".join(f"{value}: {unit}" for value, unit in study.unit.items())
    return both("{n} seeds. {fixed}. {units}.", n=n, fixed=both(study.fixed), units=units)


def history(page: ChapterPage, id: str) -> None:
    """A sourced table, folded."""
    held = HISTORY[id]
    rows = [(str(event.year), both(event.what), event.figure, event.source) for event in held.events]
    page.table((both("year"), both("what"), both("figure"), both("source")), rows, both(held.text), folded=True)
