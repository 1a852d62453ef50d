"""Streams: order and workers change no picture; data sets appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.data.synthetic import disk as disk_module
from flawscope.data.synthetic.canvas import CrackTruth
from flawscope.data.synthetic.concrete import draw_mask
from flawscope.data.synthetic.stream import SynthStream, generate_many, seed_of, write_dataset
from flawscope.errors import OutputError, UsageError

SIZE_HW = (64, 80)


def test_index_decides_not_order() -> None:
    stream = SynthStream("concrete", 5, SIZE_HW, 4)
    forwards = [drawn.image for drawn in stream]
    assert len(stream) == len(forwards) == 4
    assert np.array_equal(stream[2].image, forwards[2])
    assert np.array_equal(stream[-1].image, forwards[3])
    assert not np.array_equal(forwards[0], forwards[1])


def test_longer_streams_begin_alike() -> None:
    short, long = (SynthStream("concrete", 5, SIZE_HW, count) for count in (2, 6))
    assert np.array_equal(short[1].image, long[1].image)


def test_index_outside() -> None:
    stream = SynthStream("concrete", 5, SIZE_HW, 2)
    for index in (2, -3):
        with pytest.raises(IndexError, match="2 pictures"):
            stream[index]


def test_seeds_of_neighbours_differ() -> None:
    assert len({seed_of(seed, index) for seed in range(20) for index in range(20)}) == 400


def test_workers_change_nothing() -> None:
    seeds = list(range(5))
    alone = list(generate_many("concrete", seeds, SIZE_HW))
    together = list(generate_many("concrete", seeds, SIZE_HW, workers=2))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)


@pytest.mark.parametrize(
    ("kind", "seed", "size_hw", "count", "clean_share"),
    [
        ("steal", 0, SIZE_HW, 1, None),
        ("concrete", -1, SIZE_HW, 1, None),
        ("concrete", 0, (1, 1), 1, None),
        ("concrete", 0, SIZE_HW, -1, None),
        ("concrete", 0, SIZE_HW, 1, 2.0),
    ],
)
def test_wrong_streams_are_refused(
    kind: str, seed: int, size_hw: tuple[int, int], count: int, clean_share: float | None
) -> None:
    with pytest.raises(UsageError):
        SynthStream(kind, seed, size_hw, count, clean_share)


def test_data_set_reads_back(tmp_path: Path) -> None:
    from flawscope.data.open import open_dataset

    stream = SynthStream("concrete", 1, SIZE_HW, 5, clean_share=0.2)
    done: list[int] = []
    facts = write_dataset(stream, tmp_path / "set", report=done.append)
    assert facts["images"] == 5
    assert done == [1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    dataset = open_dataset(tmp_path / "set")
    assert dataset.layout == "image-mask"
    assert [info.name for info in dataset.classes] == ["crack"]
    assert not dataset.problems
    for index, sample in enumerate(sorted(dataset, key=lambda s: s.name)):
        assert np.array_equal(sample.image(), stream[index].image)
        assert np.array_equal(sample.mask, stream[index].mask)
        assert sample.source == "synthetic-concrete"


def test_widths_rebuild_the_mask(tmp_path: Path) -> None:
    write_dataset(SynthStream("concrete", 3, SIZE_HW, 3, clean_share=0), tmp_path / "set")
    for file in (tmp_path / "set" / "widths").iterdir():
        truth = json.loads(file.read_text(encoding="utf-8"))
        cracks = tuple(
            CrackTruth(np.array(c["points_xy_px"]), np.array(c["width_px"])) for c in truth["cracks"]
        )
        mask = np.asarray(Image.open(tmp_path / "set" / "masks" / f"{file.stem}.png"))
        assert set(np.unique(mask)) <= {0, 255}
        assert (draw_mask(cracks, SIZE_HW) != (mask > 0)).mean() < 0.001
        assert truth["size_hw"] == list(SIZE_HW)
        assert truth["schema"] == 1


def test_occupied_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="new or empty"):
        write_dataset(SynthStream("concrete", 1, SIZE_HW, 1), tmp_path / "set")
    assert (tmp_path / "set" / "mine.txt").read_text() == "keep"
    with pytest.raises(OutputError, match="new or empty"):
        write_dataset(SynthStream("concrete", 1, SIZE_HW, 1), tmp_path / "set" / "mine.txt")


def test_empty_folders_are_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert write_dataset(SynthStream("concrete", 1, SIZE_HW, 1), tmp_path / "set")["images"] == 1


def test_nothing_is_left_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("interrupted")

    monkeypatch.setattr(disk_module, "widths_text", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        write_dataset(SynthStream("concrete", 1, SIZE_HW, 2), tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        write_dataset(SynthStream("concrete", 1, SIZE_HW, 1), tmp_path / "file" / "set")


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 pictures"):
        write_dataset(SynthStream("concrete", 1, SIZE_HW, 0), tmp_path / "set")
