"""Label values: is what the mask files hold what classes are?

Without a classes file, the files must hold 0, 1, ..., K-1, or 0 and one other value. Each way to miss this has a sign
of its own, and its own mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from minifcn.audit.doctor.finding import Finding, Severity, counted, listed, verb
from minifcn.audit.doctor.mask_files import MaskFile
from minifcn.data.masks import IGNORE_INDEX
from minifcn.data.sets.label_table import Colour, LabelTable

_CHECK = "label values"
_MOST_CLASSES = 64  # that the folder loader takes for granted
_BLACK = (
    "values that mean nothing, or another thing in every file, teach the network nothing: its answers end all black"
)
_USE = "give it with --classes"


def judge_masks(files: Sequence[MaskFile], table: LabelTable | None) -> Iterator[Finding]:
    """What is wrong with the masks' values, given what the user says that they mean.

    Files that cannot be read are told of where the images are looked at.
    """
    yield from _lossy([file for file in files if file.lossy])
    yield from _coloured([file for file in files if file.colours], table)
    grey = [file for file in files if file.values]
    if table is not None and not table.values:
        grey = []
    soft = [file for file in grey if file.soft]
    yield from _soft([file for file in soft if not file.lossy])
    hard = [file for file in grey if not file.soft and not file.lossy]
    if hard:
        yield _judge_values(hard, total(hard), table)


def total(files: Sequence[MaskFile]) -> Counter[int]:
    """Pixels of each value in all files."""
    return sum((Counter(file.values) for file in files), Counter())


def guess_table(files: Sequence[MaskFile], given: LabelTable | None = None) -> LabelTable:
    """What masks that the loader refuses most probably mean, so that everything else can be looked at nevertheless.

    What a ``given`` table says holds; what it lacks does not count.
    """
    values, colours = total(files), sum((Counter(file.colours) for file in files), Counter[Colour]())
    if given is not None:
        lacking = dict.fromkeys(values, IGNORE_INDEX) if given.values else {}
        strange = dict.fromkeys(colours, IGNORE_INDEX) if given.colours else {}
        return replace(given, values={**lacking, **given.values}, colours={**strange, **given.colours})
    binary = ("background", "foreground")
    drawn = any(file.soft or file.lossy for file in files)
    if drawn or _codes(files) or _numbered(files):
        middle = (min(values, default=0) + max(values, default=0)) / 2 if drawn else 0
        table = {value: int(value > middle) for value in values}
        return LabelTable(binary, table, {colour: int(sum(colour) > 3 * middle) for colour in colours})
    void = _void(list(values))
    kept = sorted(set(values) - ({void} if void is not None else set()))
    numbers = {value: number for number, value in enumerate(kept)} | ({void: IGNORE_INDEX} if void is not None else {})
    shown = [colour for colour, _ in colours.most_common(_MOST_CLASSES)]
    count = max(len(kept), len(shown), 1)
    names = binary if count == 2 else tuple(f"class {number}" for number in range(count))
    return LabelTable(names, numbers, {colour: number for number, colour in enumerate(shown)})


def _lossy(files: list[MaskFile]) -> Iterator[Finding]:
    if files:
        distinct = max(len(file.values or file.colours) for file in files)
        yield Finding(
            "wrong", _CHECK, f"{counted(len(files), 'mask')} {verb(len(files), 'is', 'are')} JPEG",
            f"{_names(files)}; up to {distinct} values in one file",
            "JPEG changes values near edges, so the numbers there are no classes",
            "export the masks again as .png; if that cannot be done and there are two classes, threshold them at half "
            "of the largest value and save that as .png",
            numbers={"jpeg": [str(file.path) for file in files]},
        )  # fmt: skip


def _coloured(files: list[MaskFile], table: LabelTable | None) -> Iterator[Finding]:
    if not files or any(file.lossy for file in files):
        return
    colours = sum((Counter(file.colours) for file in files), Counter[Colour]())
    if table is None or not table.colours:
        draft = "; ".join(f"`NAME {r} {g} {b}`" for (r, g, b), _ in colours.most_common(6))
        many = len(colours) >= _MOST_CLASSES
        yield Finding(
            "wrong", _CHECK, f"{counted(len(files), 'mask')} in colour, and nobody says what the colours mean",
            f"{_names(files)}; {len(colours)} colours" + (" or more" if many else "") + f": {_shares(colours)}",
            "a network learns class numbers; which colour is which class, only you know",
            "so many colours come from smooth edges or JPEG: export again without antialiasing" if many else
            f"write a classes file with a line for each colour ({draft}) and {_USE}",
            numbers={"colours": {str(colour): pixels for colour, pixels in colours.items()}},
        )  # fmt: skip
        return
    strange = Counter({colour: n for colour, n in colours.items() if colour not in table.colours})
    if strange:
        yield Finding(
            "wrong", _CHECK, f"the masks hold {counted(len(strange), 'colour')} that the classes lack",
            f"{_shares(strange, sum(colours.values()))}, such as in {_first(files, strange)}",
            "training stops at the first such pixel", "add lines to the classes file, or mend the masks",
            numbers={"unknown_colours": {str(colour): pixels for colour, pixels in strange.items()}},
        )  # fmt: skip


def _soft(files: list[MaskFile]) -> Iterator[Finding]:
    if files:
        values = total(files)
        yield Finding(
            "wrong", _CHECK, f"{counted(len(files), 'mask')} {verb(len(files), 'has', 'have')} soft edges",
            f"{_names(files)}: {len(values)} values, {_shares(values)}, the others from pixel to pixel along the edges",
            "a value between two classes is no class: masks were antialiased, resized with interpolation, or once JPEG",
            "export them again without antialiasing, resize with nearest neighbour; or threshold them at half of the "
            "largest value",
            numbers={"soft": [str(file.path) for file in files]},
        )  # fmt: skip


class _Verdict(NamedTuple):
    severity: Severity
    title: str
    why: str = ""
    action: str = ""
    evidence: str = ""


def _judge_values(files: list[MaskFile], values: Counter[int], table: LabelTable | None) -> Finding:
    """One finding on the values of grey masks."""
    verdict = _unnamed(files, values) if table is None else _named(files, values, table)
    return Finding(
        verdict.severity, _CHECK, verdict.title, verdict.evidence or _shares(values), verdict.why, verdict.action,
        numbers={"values": {str(value): pixels for value, pixels in sorted(values.items())}},
    )  # fmt: skip


def _unnamed(files: list[MaskFile], values: Counter[int]) -> _Verdict:
    """Of masks whose values nobody has named."""
    codes = sorted(_codes(files))
    if codes:
        lines = ", ".join(f"`foreground {code}`" for code in codes)
        return _Verdict(
            "wrong", "the same thing has different values in different masks", _BLACK,
            f"write a classes file in which one name has all these values (`background 0`, {lines}) and {_USE}; or "
            "save all masks alike",
            f"of {len(files)} masks " + " and ".join(f"0 and {code} in {_with(files, code)}" for code in codes),
        )  # fmt: skip
    if _numbered(files):
        return _Verdict(
            "wrong", "the masks look like numbered objects, not classes",
            "object 3 of one image has nothing in common with object 3 of another: as classes they cannot be learnt",
            "save masks of 1 where there is any object and 0 elsewhere; dsb2018 reads maps of numbered objects itself",
            f"up to {max(values)} values, another number of them in every mask, each one connected region",
        )  # fmt: skip
    return _judge_numbers(sorted(values))


def _judge_numbers(ordered: list[int]) -> _Verdict:
    """Of masks that hold one number a class: are they 0, 1, ..., K-1, as nobody has said otherwise?"""
    count = len(ordered)
    if ordered == list(range(count)) and count <= _MOST_CLASSES:
        return _Verdict("fine", f"masks hold {listed(ordered, 8)}")
    if count == 2 and ordered[0] == 0:
        return _Verdict("fine", f"masks hold 0 and {ordered[1]}: mapped to 0 and 1")
    void = _void(ordered)
    if void is not None:
        return _Verdict(
            "wrong", f"masks hold {void}, which seems to mark what does not count",
            f"{void} would be one class more, or stop the training",
            f"write a classes file with a line `NAME VALUE` for each of {listed(ordered[:-1], 12)} and `void {void}`, "
            f"and {_USE}",
        )  # fmt: skip
    if ordered == list(range(1, count + 1)):
        return _Verdict(
            "wrong", f"masks count from 1: they hold {listed(ordered, 8)}, and no 0", "class numbers begin at 0",
            f"write a classes file with a line `NAME VALUE` for each and {_USE}",
        )  # fmt: skip
    if ordered == list(range(count)):
        what, why = f"masks hold {count} values, more than classes usually are", "a class for each would be too many"
    else:
        what, why = (
            f"masks hold {count} values with gaps: {listed(ordered, 6)}",
            "which of them are classes, nobody says",
        )
    return _Verdict(
        "wrong", what, why,
        "write a classes file with a line `NAME VALUE` for each class, also for those that these masks lack (`void "
        f"VALUE` for what does not count), and {_USE}",
    )  # fmt: skip


def _named(files: list[MaskFile], values: Counter[int], table: LabelTable) -> _Verdict:
    """Of masks whose values a classes file names."""
    strange = Counter({value: pixels for value, pixels in values.items() if value not in table.values})
    if not strange:
        return _Verdict("fine", _known(values, table))
    action = f"add lines to the classes file ({'; '.join(f'`NAME {value}`' for value in sorted(strange)[:4])})"
    if list(strange) in ([255], [max(table.values) + 1]):
        void = f"`void {next(iter(strange))}`"
        action = f"if it marks what does not count, which is usual, say {void}; all lines of the file then need values"
    places = sum(any(value in strange for value in file.values) for file in files)
    return _Verdict(
        "wrong", f"masks hold {listed(sorted(strange))}, which the classes lack",
        "training stops at the first such pixel", action,
        f"{_shares(strange, sum(values.values()))} of the pixels, in {places} of {len(files)} masks, such as "
        f"{_first(files, strange)}",
    )  # fmt: skip


def _known(values: Counter[int], table: LabelTable) -> str:
    uncounted = [value for value in values if table.values[value] == IGNORE_INDEX]
    void = f"; {listed(uncounted)} does not count" if uncounted else ""
    return f"all of the {counted(len(values), 'value')} in the masks are in the classes{void}"


def _codes(files: Sequence[MaskFile]) -> set[int]:
    """The values of the foreground, if every mask has at most one and they are not numbers of classes; else none."""
    values = [set(file.values) - {0} for file in files if file.values]
    codes = set().union(*values)
    several = (
        len(codes) > 1 and all(len(each) <= 1 for each in values) and all(0 in f.values for f in files if f.values)
    )
    return codes if several and codes != set(range(1, len(codes) + 1)) else set()


def _numbered(files: Sequence[MaskFile]) -> bool:
    """Whether values number objects: 1, 2, ..., n in every mask, each one region, and n differs."""
    counts = [(max(file.values), len(set(file.values) - {0}), file.regions) for file in files if len(file.values) > 2]
    return (
        len(counts) >= 2
        and max(number for _, number, _ in counts) >= 4
        and len({number for _, number, _ in counts}) > 1
        # A nucleus in two pieces, or a number that was erased, changes little.
        and all(0.9 * top <= number and regions <= 1.2 * number for top, number, regions in counts)
    )


def _void(values: list[int]) -> int | None:
    """255, if the other values are 0, 1, ..., K-1 with two classes at least."""
    others = sorted(set(values) - {255})
    return 255 if 255 in values and len(others) > 1 and others == list(range(len(others))) else None


def _with(files: Sequence[MaskFile], code: int) -> str:
    having = [file for file in files if code in file.values]
    return f"{len(having)} ({_names(having, 2)})"


def _names(files: Sequence[MaskFile], most: int = 3) -> str:
    return listed([file.path.name for file in files], most)


def _first(files: Sequence[MaskFile], strange: Counter) -> str:
    return next(file.path.name for file in files if any(key in strange for key in (*file.values, *file.colours)))


def _shares(counts: Counter, whole: int | None = None) -> str:
    """The commonest, with their shares."""
    whole = whole or sum(counts.values())
    shown = [f"{key} {pixels / whole:.2%}" for key, pixels in counts.most_common(6)]
    return listed(shown, 5) if len(counts) <= 6 else f"{', '.join(shown[:5])} and {len(counts) - 5} more"
