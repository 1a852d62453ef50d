"""Which encoding a set of masks uses: told from the values of all of them together, or asked for.

The rules, first match wins (V = values present in any mask, shares are of pixels):

1. the caller or ``dataset.toml`` declares values: these;
2. one value besides 0: binary (1-bit, 0/1, 0/255, black and one colour);
3. small whole numbers from 1 up (at most 32, no large gaps; 255 beside them = ignore): class indices;
4. one value besides 0 but for strays (under 0.1 % of the marked pixels): binary, strays count as marked;
5. many greys crowded at both ends (grey edges, JPEG): binary above half of the range;
6. anything else is ambiguous and asks for ``--mask-value``.

Rules 2 to 4 take 0 for the background: where no mask holds any, the values mean something else, and it asks.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flawscope.data.layouts.mask_codes import BINARY_ANY, Colour, MaskCode, MaskScan
from flawscope.errors import LayoutError
from flawscope.types import IGNORE_INDEX

_MAX_CLASS_INDEX = 32
_STRAY_SHARE = 1e-3
_MOST_STRAYS = 16
_FREQUENT_SHARE = 0.01
"""Of what is not the background: below, a value is rather a stray than worth an example."""
_BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Inferred:
    """The code of a set, its classes by id, and what to tell the user."""

    code: MaskCode
    class_names: tuple[str, ...]
    """Names of the classes 1, 2, ...; made up unless ``named``."""
    named: bool = False
    note: str = ""


def infer(
    scans: Sequence[MaskScan], codes: Mapping[str, str], class_names: Sequence[str], where: str
) -> Inferred:
    """Settle the code of a set.

    Args:
        scans: value counts of its masks.
        codes: declared values, ``"255"`` or ``"255,0,0"`` -> class name; empty = infer.
        class_names: declared names of the classes 1, 2, ...; empty = make names up.
        where: the set, for messages.

    Raises:
        LayoutError: the encoding is ambiguous, or a declared value makes no sense.
    """
    if codes:
        return _declared(scans, codes, class_names, where)
    if any(scan.colours for scan in scans) and not all(scan.indices for scan in scans if scan.colours):
        inferred = _from_colours(scans, where)
    elif any(scan.indices for scan in scans):
        inferred = _from_palettes(scans, where)
    else:
        inferred = _from_greys(_total(scan.greys for scan in scans), scans, where)
    return _named(inferred, class_names)


def _named(inferred: Inferred, names: Sequence[str]) -> Inferred:
    made_up = inferred.class_names
    if not names:
        return inferred
    return Inferred(inferred.code, (*names, *made_up[len(names) :]), True, inferred.note)


def _total(counts: Iterable[Mapping[int, int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for count in counts:
        total.update(count)
    return total


def _binary(value: int, note: str = "", extra: Sequence[int] = ()) -> Inferred:
    pairs = ((0, 0), *((marked, 1) for marked in sorted({value, *extra})))
    return Inferred(MaskCode(greys=pairs), ("crack",), note=note)


def _from_greys(total: Counter[int], scans: Sequence[MaskScan], where: str) -> Inferred:
    marked = {value: count for value, count in total.items() if value != 0}
    if not marked:
        return Inferred(BINARY_ANY, ("crack",), note="no mask marks anything")
    # Values on both sides of a cut at half need no true 0, as those of JPEG files.
    if 0 not in total and (len(total) <= _MOST_STRAYS or _is_class_index(set(marked))):
        raise _ambiguous(where, _texts(total), "no mask holds the value 0, which would be the background")
    if len(marked) == 1:
        return _binary(next(iter(marked)))
    if _is_class_index(set(marked)):
        return _class_index(total, scans, where)
    main, count = max(marked.items(), key=lambda item: item[1])
    strays = [value for value in marked if value != main]
    stray_count = sum(marked.values()) - count
    if len(strays) <= _MOST_STRAYS and stray_count < _STRAY_SHARE * count:
        note = f"{stray_count} stray pixels of the values {_list(strays)} count as marked"
        return _binary(main, note, strays)
    if _is_grey_edged(total):
        half = max(total) / 2
        return Inferred(MaskCode(half=half), ("crack",), note=f"grey-edged masks binarised above {half:g}")
    raise _ambiguous(where, _texts(total))


def _is_class_index(values: set[int]) -> bool:
    indices = values - {IGNORE_INDEX}
    return bool(indices) and max(indices) <= _MAX_CLASS_INDEX and 2 * len(indices) >= max(indices)


def _class_index(total: Mapping[int, int], scans: Sequence[MaskScan], where: str) -> Inferred:
    indices = set(total) - {0, IGNORE_INDEX}
    together = any(IGNORE_INDEX in scan.greys and indices & set(scan.greys) for scan in scans)
    if IGNORE_INDEX in total and not together:
        # 0/1 masks and 0/255 masks in one set look just like a class 1 and ignored pixels.
        raise _ambiguous(where, _texts(total))
    top = max(indices)
    pairs = tuple((value, value) for value in range(top + 1))
    ignore = ((IGNORE_INDEX, IGNORE_INDEX),) if IGNORE_INDEX in total else ()
    note = "the mask value 255 is read as ignore" if ignore else ""
    names = ("crack",) if top == 1 else tuple(f"class-{number}" for number in range(1, top + 1))
    return Inferred(MaskCode(greys=pairs + ignore, by_index=True), names, note=note)


def _is_grey_edged(total: Mapping[int, int]) -> bool:
    """Most pixels lie in the outer quarters of the range, and the upper quarter outweighs the middle."""
    top = max(total)
    middle = sum(count for value, count in total.items() if top / 4 <= value <= 3 * top / 4)
    upper = sum(count for value, count in total.items() if value > 3 * top / 4)
    spread = top >= 64 and (len(total) > 16 or middle == 0)
    return spread and middle < 0.1 * sum(total.values()) and middle < 1.5 * upper


def _from_palettes(scans: Sequence[MaskScan], where: str) -> Inferred:
    """Palettes of black and one grey or colour are binary by colour; otherwise the indices are the values."""
    colours: Counter[Colour] = Counter()
    for scan in scans:
        colours.update(scan.colours)
        colours.update({(grey, grey, grey): count for grey, count in scan.greys.items()})
    marked = {colour: count for colour, count in colours.items() if colour != _BLACK}
    if marked and _BLACK in colours:
        main, count = max(marked.items(), key=lambda item: item[1])
        strays = [colour for colour in marked if colour != main]
        stray_count = sum(marked.values()) - count
        if stray_count < _STRAY_SHARE * count:
            note = f"{stray_count} stray pixels count as marked" if strays else ""
            greys_only = all(len(set(colour)) == 1 for colour in colours)
            if greys_only:
                return _binary(main[0], note, [colour[0] for colour in strays])
            return Inferred(_colour_binary([main, *strays]), ("crack",), note=note)
    indices = _total(scan.indices or scan.greys for scan in scans)
    inferred = _from_greys(indices, [], where)
    code = MaskCode(inferred.code.greys, (), inferred.code.half, by_index=True)
    return Inferred(code, inferred.class_names, note=inferred.note)


def _colour_binary(marked: Sequence[Colour], nearest: bool = False) -> MaskCode:
    return MaskCode(colours=((_BLACK, 0), *((colour, 1) for colour in marked)), nearest=nearest)


def _from_colours(scans: Sequence[MaskScan], where: str) -> Inferred:
    colours: Counter[Colour] = Counter()
    for scan in scans:
        colours.update(scan.colours)
        colours.update({(grey, grey, grey): count for grey, count in scan.greys.items()})
    marked = {colour: count for colour, count in colours.items() if colour != _BLACK}
    if len(marked) == 1 and _BLACK in colours:
        return Inferred(_colour_binary(list(marked)), ("crack",))
    count = max(marked.values())
    stray_count = sum(marked.values()) - count
    if _BLACK in colours and len(marked) <= _MOST_STRAYS and stray_count < _STRAY_SHARE * count:
        note = f"{stray_count} stray pixels of other colours count as marked"
        return Inferred(_colour_binary(list(marked)), ("crack",), note=note)
    raise _ambiguous(where, {_text(colour): count for colour, count in colours.items()})


def _list(values: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(values)))


def _text(colour: Colour) -> str:
    return ",".join(map(str, colour))


def _texts(total: Mapping[int, int]) -> dict[str, int]:
    return {str(value): count for value, count in total.items()}


def _ambiguous(
    where: str, counts: Mapping[str, int], found: str = "the masks can be read in more than one way"
) -> LayoutError:
    """What the masks hold (value as text -> pixels), and how to say what it means."""
    total = max(1, sum(counts.values()))
    common = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{value} ({count / total:.1%})" for value, count in common[:6])
    more = f" and {len(common) - 6} more" if len(common) > 6 else ""
    return LayoutError(
        f"{where}: {found}; they hold the values {shown}{more}.\n"
        f"Say what each value means with --mask-value VALUE=CLASS, e.g. {_example(common)} "
        "(CLASS may be background or ignore), or in dataset.toml."
    )


def _example(common: Sequence[tuple[str, int]]) -> str:
    """Options for (value, pixels), most common first: that is the background, and the rarest is the crack."""
    main, black = common[0][0], ("0", _text(_BLACK))
    others = [(value, count) for value, count in common[1:] if value not in black]
    least = _FREQUENT_SHARE * sum(count for _, count in others)
    frequent = [value for value, count in others if count >= least] or [value for value, _ in others]
    words = [] if main in black else [f"--mask-value {main}=background"]
    return " ".join([*words, *(f"--mask-value {value}=crack" for value in frequent[-1:])])


def parse_value(text: str, where: str) -> int | Colour:
    """A declared value: ``255``, ``255,0,0``, ``255,0,0,255`` (alpha is dropped) or ``#ff0000``.

    Raises:
        LayoutError: none of these.
    """
    bare = text.strip().strip("()[]")
    try:
        if bare.startswith("#") and len(bare) == 7:
            return (int(bare[1:3], 16), int(bare[3:5], 16), int(bare[5:7], 16))
        parts = [int(part) for part in bare.split(",")]
    except ValueError:
        parts = []
    if len(parts) == 1 and 0 <= parts[0] <= 65535:
        return parts[0]
    if len(parts) in (3, 4) and all(0 <= part <= 255 for part in parts):
        return (parts[0], parts[1], parts[2])
    raise LayoutError(
        f"{where}: '{text}' is no mask value.\n"
        "Expected a number (255) or a colour (255,0,0 or #ff0000), as in --mask-value 255,0,0=crack."
    )


def _declared(
    scans: Sequence[MaskScan], codes: Mapping[str, str], class_names: Sequence[str], where: str
) -> Inferred:
    values = {parse_value(text, where): name.strip() for text, name in codes.items()}
    names = list(class_names)
    for name in values.values():
        if name in ("background", "ignore", *names):
            continue
        if class_names:
            raise _unknown_class(name, (*class_names, "background", "ignore"), where)
        names.append(name)
    ids = {"background": 0, "ignore": IGNORE_INDEX} | {name: number for number, name in enumerate(names, 1)}
    has_colour = any(isinstance(value, tuple) for value in values)
    edged = any(scan.lossy or scan.too_many for scan in scans)
    edged = edged or (not has_colour and any(len(scan.greys) > 64 for scan in scans))
    if not has_colour:
        greys = {value: ids[name] for value, name in values.items() if isinstance(value, int)}
        code = MaskCode(greys=tuple(({0: 0} | greys).items()), by_index=True, nearest=edged)
    else:
        colours = {
            value if isinstance(value, tuple) else (value, value, value): ids[name]
            for value, name in values.items()
        }
        code = MaskCode(colours=tuple(({_BLACK: 0} | colours).items()), nearest=edged)
    return Inferred(code, tuple(names), True)


def _unknown_class(name: str, known: Sequence[str], where: str) -> LayoutError:
    by_case = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(name.casefold(), by_case, n=1)
    hint = f"; did you mean '{by_case[near[0]]}'?" if near else "."
    return LayoutError(
        f"{where}: a mask value is of the class '{name}', which is not among [[classes]]{hint}\n"
        f"Expected {', '.join(known)}; correct it, or add the class to dataset.toml."
    )
