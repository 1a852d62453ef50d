"""Every encoding of masks: told from the values of all of them, declared, or asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from flawscope.data.open import open_dataset
from flawscope.errors import ImageError, LayoutError

from ..small import image_mask_set, photo, save, truth


def _one_bit(mask: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(mask * 255).convert("1")


def _palette(mask: npt.NDArray[np.uint8], colours: list[int]) -> Image.Image:
    image = Image.fromarray(mask).convert("P")
    image = Image.frombytes("P", (mask.shape[1], mask.shape[0]), mask.tobytes())
    image.putpalette(colours)
    return image


def _rgba(mask: npt.NDArray[np.uint8]) -> Image.Image:
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask > 0] = (200, 30, 40, 255)
    return Image.fromarray(pixels)


def _alpha_only(mask: npt.NDArray[np.uint8]) -> Image.Image:
    pixels = np.full((*mask.shape, 4), 90, np.uint8)
    pixels[..., 3] = mask * 255
    return Image.fromarray(pixels)


BINARY = {
    "0/255": lambda mask: Image.fromarray(mask * 255),
    "0/1": Image.fromarray,
    "0/128": lambda mask: Image.fromarray(mask * 128),
    "1-bit": _one_bit,
    "16-bit": lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
    "rgb": lambda mask: Image.fromarray(np.stack([mask * 255] * 3, axis=2)),
    "red": lambda mask: Image.fromarray(np.stack([mask * 255, mask * 0, mask * 0], axis=2)),
    "rgba": _rgba,
    "alpha": _alpha_only,
    "palette": lambda mask: _palette(mask, [0, 0, 0, 255, 255, 255]),
    "palette, white first": lambda mask: _palette(1 - mask, [255, 255, 255, 0, 0, 0]),
    "palette of a colour": lambda mask: _palette(mask, [0, 0, 0, 128, 0, 0]),
}


@pytest.mark.parametrize("encoding", BINARY)
def test_binary_encodings(tmp_path: Path, encoding: str) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", photo(number))
        mask = truth(number) if number else truth(0) * 0
        save(tmp_path / f"masks/{number}.png", BINARY[encoding](mask))
    dataset = open_dataset(tmp_path)
    assert [info.name for info in dataset.classes] == ["crack"]
    for number in (1, 2):
        assert np.array_equal(dataset[str(number)].mask, truth(number))
    assert not np.any(dataset["0"].mask)


@pytest.mark.parametrize("palette", [False, True])
def test_class_indices(tmp_path: Path, palette: bool) -> None:
    colours = [0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200]
    for number in range(3):
        save(tmp_path / f"images/{number}.png", photo(number))
        mask = truth(number, classes=3)
        save(tmp_path / f"masks/{number}.png", _palette(mask, colours) if palette else mask)
    dataset = open_dataset(tmp_path)
    assert [(info.id, info.name) for info in dataset.classes] == [
        (1, "class-1"),
        (2, "class-2"),
        (3, "class-3"),
    ]
    assert not dataset.classes_named
    assert np.array_equal(dataset["1"].mask, truth(1, classes=3))


def test_255_beside_class_indices_is_ignore(tmp_path: Path) -> None:
    mask = truth(1, classes=2)
    mask[-1] = 255
    save(tmp_path / "images/1.png", photo(1))
    save(tmp_path / "masks/1.png", mask)
    dataset = open_dataset(tmp_path)
    assert np.array_equal(dataset["1"].mask, mask)
    assert "ignore" in str(dataset.problems[0])


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_grey_edges_are_cut_at_half_of_their_range(tmp_path: Path, suffix: str) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 10:50] = 1
    for number in range(2):
        save(tmp_path / f"images/{number}.png", photo(number, (64, 64)))
        picture = Image.fromarray(mask * 255 * (number % 2))
        if suffix == "png":
            picture = picture.resize((640, 640)).resize((63, 63), Image.Resampling.BICUBIC)
            picture = picture.resize((64, 64), Image.Resampling.BICUBIC)
            save(tmp_path / f"masks/{number}.png", picture)
        else:
            save(tmp_path / f"masks/{number}.jpg", picture, quality=60)
    dataset = open_dataset(tmp_path)
    found = dataset["1"].mask
    assert found is not None
    assert set(np.unique(found)) == {0, 1}
    assert (found != mask).mean() < 0.03
    assert not np.any(dataset["0"].mask)


def test_masks_that_the_cut_of_grey_edges_empties_are_named(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 10:50] = 1
    for number in range(4):
        save(tmp_path / f"images/{number}.png", photo(number, (64, 64)))
        save(tmp_path / f"masks/{number}.jpg", Image.fromarray(mask * 255), quality=60)
    (tmp_path / "masks/3.jpg").unlink()
    save(tmp_path / "masks/3.png", mask)
    faint = [problem for problem in open_dataset(tmp_path).problems if problem.kind == "faint-mask"]
    assert [Path(problem.path).name for problem in faint] == ["3.png"]
    assert "read as empty: its largest value is 1," in str(faint[0])


@pytest.mark.parametrize(
    ("values", "example"),
    [
        ((1, 255), "1=background --mask-value 255=crack"),
        ((1, 2), "1=background --mask-value 2=crack"),
        ((255, 255), "255=background"),
    ],
)
def test_masks_without_a_0_ask(tmp_path: Path, values: tuple[int, int], example: str) -> None:
    for number in range(2):
        save(tmp_path / f"images/{number}.png", photo(number))
        save(tmp_path / f"masks/{number}.png", np.array(values, np.uint8)[truth(number)])
    with pytest.raises(LayoutError, match=rf"no mask holds the value 0(.|\n)*e\.g\. --mask-value {example} "):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, mask_values={str(values[0]): "background", str(values[1]): "crack"})
    assert np.array_equal(dataset["1"].mask, truth(1) if values[0] != values[1] else truth(1) * 0 + 1)


def test_one_mask_with_a_0_is_enough(tmp_path: Path) -> None:
    for number, mask in enumerate((truth(0), truth(0) * 0 + 1)):
        save(tmp_path / f"images/{number}.png", photo(number))
        save(tmp_path / f"masks/{number}.png", mask * 255)
    assert np.all(open_dataset(tmp_path)["1"].mask == 1)


def test_grey_edges_need_no_true_0(tmp_path: Path) -> None:
    ramp = np.concatenate([np.full(300, 16), np.arange(17, 235), np.full(300, 235)]).astype(np.uint8)
    values = np.concatenate([np.repeat(16, 4000), ramp, np.repeat(235, 4000)]).astype(np.uint8)
    mask = np.resize(values, (90, 98))
    save(tmp_path / "images/1.png", photo(1, (90, 98)))
    save(tmp_path / "masks/1.png", mask)
    assert np.array_equal(open_dataset(tmp_path)["1"].mask, (mask > 117.5).astype(np.uint8))


def test_the_example_is_the_rarest_value_that_is_no_stray(tmp_path: Path) -> None:
    save(tmp_path / "images/1.png", photo(1, (60, 60)))
    table = np.array([[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0], [9, 9, 1]], np.uint8)
    mask = np.zeros((60, 60), np.uint8)
    mask[:10], mask[10:14], mask[14], mask[15, :1] = 2, 1, 3, 4
    save(tmp_path / "masks/1.png", table[mask])
    with pytest.raises(
        LayoutError, match=r"e\.g\. --mask-value 255,255,255=background --mask-value 255,0,0=crack "
    ):
        open_dataset(tmp_path)
    save(tmp_path / "masks/1.png", np.array([0, 80, 160, 250, 77], np.uint8)[mask])
    with pytest.raises(LayoutError, match=r"e\.g\. --mask-value 250=crack "):
        open_dataset(tmp_path)


def test_mask_values_name_declared_classes_only(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2)
    description = '[[classes]]\nname = "crack"\n[mask_values]\n"255" = "{}"\n'
    (tmp_path / "dataset.toml").write_text(description.format("CRACK"))
    with pytest.raises(LayoutError, match=r"'CRACK', .* did you mean 'crack'\?\nExpected crack, background"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.toml").write_text(description.format("crack"))
    assert [info.name for info in open_dataset(tmp_path).classes] == ["crack"]
    with pytest.raises(LayoutError, match=r"'joint', which is not among \[\[classes\]\]\.\n"):
        open_dataset(tmp_path, mask_values={"255": "joint"})


def test_stray_values_count_as_marked_and_are_told(tmp_path: Path) -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[:50] = 255
    mask[0, :2] = 85
    save(tmp_path / "images/1.png", photo(1, (100, 100)))
    save(tmp_path / "masks/1.png", mask)
    dataset = open_dataset(tmp_path)
    assert np.array_equal(dataset["1"].mask, (mask > 0).astype(np.uint8))
    assert "2 stray pixels" in str(dataset.problems[0])


def _grey_codes() -> Image.Image:
    return Image.fromarray(truth(1, classes=3) * 80)


def _colour_codes() -> Image.Image:
    table = np.array([[255, 255, 255], [255, 0, 0], [0, 0, 255]], np.uint8)
    return Image.fromarray(table[truth(1, classes=2)])


@pytest.mark.parametrize(
    ("make", "says"),
    [(_grey_codes, "80"), (_colour_codes, "255,0,0"), (lambda: Image.fromarray(photo(3)), "more")],
)
def test_ambiguous_masks_ask(tmp_path: Path, make: object, says: str) -> None:
    save(tmp_path / "images/1.png", photo(1))
    save(tmp_path / "masks/1.png", make())  # type: ignore[operator]
    with pytest.raises(LayoutError, match=rf"{says}(.|\n)*--mask-value"):
        open_dataset(tmp_path)


def test_0_1_and_0_255_masks_in_one_set_ask(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2)
    save(tmp_path / "masks/001.png", truth(1))
    with pytest.raises(LayoutError, match="more than one way"):
        open_dataset(tmp_path)
    dataset = open_dataset(tmp_path, mask_values={"1": "crack", "255": "crack"})
    assert np.array_equal(dataset["000"].mask, truth(0))
    assert np.array_equal(dataset["001"].mask, truth(1))


def test_declared_greys_and_colours(tmp_path: Path) -> None:
    save(tmp_path / "images/1.png", photo(1))
    save(tmp_path / "masks/1.png", _grey_codes())
    values = {"80": "crack", "160": "background", "240": "ignore"}
    found = open_dataset(tmp_path, mask_values=values)["1"].mask
    assert np.array_equal(found, np.array([0, 1, 0, 255], np.uint8)[truth(1, classes=3)])
    save(tmp_path / "masks/1.png", _colour_codes())
    for values in (
        {"255,255,255": "background", "255,0,0": "crack", "0,0,255": "joint"},
        {"#ffffff": "background", "(255, 0, 0, 255)": "crack", "0,0,255": "joint"},
    ):
        dataset = open_dataset(tmp_path, mask_values=values)
        assert [info.name for info in dataset.classes] == ["crack", "joint"]
        assert np.array_equal(dataset["1"].mask, truth(1, classes=2))


def test_declared_colours_in_lossy_masks_take_the_nearest(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10:40, 10:40] = 1
    pixels = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)[mask]
    save(tmp_path / "images/1.png", photo(1, (64, 64)))
    save(tmp_path / "masks/1.jpg", pixels, quality=80)
    found = open_dataset(tmp_path, mask_values={"255,0,0": "crack"})["1"].mask
    assert (found != mask).mean() < 0.05


@pytest.mark.parametrize("value", ["red", "300,0,0", "1,2", "-1", "#12345", ""])
def test_declared_nonsense(tmp_path: Path, value: str) -> None:
    with pytest.raises(LayoutError, match="no mask value"):
        open_dataset(image_mask_set(tmp_path, 1), mask_values={value: "crack"})


def test_undeclared_value_is_named_when_read(tmp_path: Path) -> None:
    image_mask_set(tmp_path, 2)
    dataset = open_dataset(tmp_path, mask_values={"1": "crack"})
    with pytest.raises(ImageError, match=r"000\.png.*255.*\n.*--mask-value 255=CLASS"):
        _ = dataset["000"].mask
    save(tmp_path / "masks/001.png", np.stack([truth(1) * 9] * 2 + [truth(1)], axis=2))
    dataset = open_dataset(tmp_path, mask_values={"9,0,0": "crack"})
    with pytest.raises(ImageError, match="9,9,1"):
        _ = dataset["001"].mask


def test_kolektor_stray_pixels(data_root: Path) -> None:
    dataset = open_dataset(data_root / "kolektor_sdd")
    mask = dataset["kos20/Part4"].mask
    assert mask is not None
    assert int((mask == 1).sum()) == 3692
