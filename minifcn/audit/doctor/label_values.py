"""Label values: is what the mask files hold what classes are?

Without a classes file, the files must hold 0, 1, ..., K-1, or 0 and one other value. Each way to miss this has a sign of
its own, and its own mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from minifcn.audit.doctor.finding import Finding, Severity, counted, listed
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
    """What is wrong with the masks' values, given what the user says that they mean."""
    yield from _unreadable([file for file in files if file.error])
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


def guess_table(files: Sequence[MaskFile]) -> LabelTable:
    """What masks that the loader refuses most probably mean, so that everything else can be looked at nevertheless."""
    values, colours = total(files), sum((Counter(file.colours) for file in files), Counter[Colour]())
    binary = ("background", "foreground")
    if any(file.soft for file in files) or any(file.lossy for file in files) or _codes(files):
        middle = 0 if _codes(files) else (min(values) + max(values)) / 2
        table = {value: int(value > middle) for value in values}
        return LabelTable(binary, table, {colour: int(sum(colour) > 3 * middle) for colour in colours})
    void = _void(list(values))
    kept = sorted(set(values) - ({void} if void is not None else set()))
    numbers = {value: number for number, value in enumerate(kept)} | ({void: IGNORE_INDEX} if void is not None else {})
    shown = [colour for colour, _ in colours.most_common(_MOST_CLASSES)]
    count = max(len(kept), len(shown), 1)
    names = binary if count == 2 else tuple(f"class {number}" for number in range(count))
    return LabelTable(names, numbers, {colour: number for number, colour in enumerate(shown)})


def _unreadable(files: list[MaskFile]) -> Iterator[Finding]:
    if files:
        yield Finding(
            "wrong", _CHECK, f"{counted(len(files), 'mask')} cannot be read", listed([file.error for file in files], 2),
            "training stops when it comes to such a file", "save these again as .png, .tif or .npy of integers",
            numbers={"unreadable": [str(file.path) for file in files]},
        )  # fmt: skip


def _lossy(files: list[MaskFile]) -> Iterator[Finding]:
    if files:
        distinct = max(len(file.values or file.colours) for file in files)
        yield Finding(
            "wrong", _CHECK, f"{counted(len(files), 'mask')} {'is' if len(files) == 1 else 'are'} JPEG",
            f"{_names(files)}; up to {distinct} values in one file",
            "JPEG changes values near edges, so the numbers there are no classes",
            "export the masks again as .png; if that cannot be done and there are two classes, threshold them at half of "
            "the largest value and save that as .png",
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
            "wrong", _CHECK, f"{counted(len(files), 'mask')} {'has' if len(files) == 1 else 'have'} soft edges",
            f"{_names(files)}: {len(values)} values, {_shares(values)}, the others from pixel to pixel along the edges",
            "a value between two classes is no class: masks were antialiased, resized with interpolation, or once JPEG",
            "export them again without antialiasing, resize with nearest neighbour; or threshold them at half of the "
            "largest value",
            numbers={"soft": [str(file.path) for file in files]},
        )  # fmt: skip


def _judge_values(files: list[MaskFile], values: Counter[int], table: LabelTable | None) -> Finding:
    """One finding on the values of grey masks."""
    numbers = {"values": {str(value): pixels for value, pixels in sorted(values.items())}}

    def found(severity: Severity, title: str, evidence: str = "", why: str = "", action: str = "") -> Finding:
        return Finding(severity, _CHECK, title, evidence or _shares(values), why, action, numbers=numbers)

    if table is not None:
        strange = Counter({value: pixels for value, pixels in values.items() if value not in table.values})
        return _lacking(found, files, values, strange, table) if strange else found("fine", _known(values, table))
    ordered, codes = sorted(values), _codes(files)
    if codes:
        named = " and ".join(f"0 and {code} in {_with(files, code)}" for code in sorted(codes))
        return found(
            "wrong", "the same thing has different values in different masks", f"of {len(files)} masks {named}", _BLACK,
            "write a classes file in which one name has both values (`background 0`, "
            + ", ".join(f"`foreground {code}`" for code in sorted(codes)) + f") and {_USE}; or save all masks alike",
        )  # fmt: skip
    if _numbered(files):
        return found(
            "wrong", "the masks look like numbered objects, not classes",
            f"up to {ordered[-1]} values, another number of them in every mask, each one connected region",
            "object 3 of one image has nothing in common with object 3 of another: as classes they cannot be learnt",
            "save masks of 1 where there is any object and 0 elsewhere; dsb2018 reads maps of numbered objects itself",
        )  # fmt: skip
    return _judge_numbers(found, ordered, values)


def _judge_numbers(found, ordered: list[int], values: Counter[int]) -> Finding:  # type: ignore[no-untyped-def]
    """Of masks that hold one number a class: are they 0, 1, ..., K-1, as nobody has said otherwise?"""
    if ordered == [0]:
        return found("wrong", "all masks hold nothing but 0", action="check that these are the right masks", why=_BLACK)
    if len(ordered) <= _MOST_CLASSES and (ordered == list(range(len(ordered))) or _is_binary(ordered)):
        mapped = f": 0 becomes 0, {ordered[1]} becomes 1" if ordered[-1] != len(ordered) - 1 else ""
        return found("fine", f"masks hold {listed(ordered, 8)}{mapped}")
    void = _void(ordered)
    if void is not None:
        return found(
            "wrong",
            f"masks hold {void}, which seems to mark what does not count",
            why=f"{void} would be one class more, or stop the training",
            action=f"write a classes file with a line `NAME VALUE` for each of {listed(ordered[:-1], 12)} and "
            f"`void {void}`, and {_USE}",
        )
    if ordered[0] == 1 and ordered == list(range(1, len(ordered) + 1)):
        return found(
            "wrong", f"masks count from 1: they hold 1 to {ordered[-1]}, and no 0", why="class numbers begin at 0",
            action=f"write a classes file with a line `NAME VALUE` for each and {_USE}",
        )  # fmt: skip
    return found(
        "wrong", f"masks hold {len(ordered)} values with gaps between them: {listed(ordered, 6)}",
        why="which of them are classes, and which are not, nobody says",
        action=f"write a classes file with a line `NAME VALUE` for each class (`void VALUE` for what does not count), "
        f"also for classes that these masks lack, and {_USE}",
    )  # fmt: skip


def _lacking(found, files, values, strange, table):  # type: ignore[no-untyped-def]
    places = sum(any(value in strange for value in file.values) for file in files)
    shares = _shares(strange, sum(values.values()))
    action = f"add lines to the classes file ({'; '.join(f'`NAME {value}`' for value in sorted(strange)[:4])})"
    if len(strange) == 1 and next(iter(strange)) in (255, max(table.values) + 1):
        value = next(iter(strange))
        action = f"if {value} marks what does not count, which is usual, say `void {value}` in the classes file; " \
            "all lines then need values"  # fmt: skip
    return found(
        "wrong", f"masks hold {listed(sorted(strange))}, which the classes lack",
        f"{shares} of the pixels, in {places} of {len(files)} masks, such as {_first(files, strange)}",
        "training stops at the first such pixel", action,
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


def _is_binary(ordered: list[int]) -> bool:
    return len(ordered) == 2 and ordered[0] == 0


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
