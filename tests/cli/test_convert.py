"""``flawscope convert``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from data.small import image_mask_set
from flawscope.cli.app import main
from flawscope.data.convert import TARGETS
from flawscope.data.open import open_dataset


def test_one_set_to_another_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = image_mask_set(tmp_path / "walls")
    assert main(["convert", str(root), "--to", "coco", "--out", str(tmp_path / "out")]) == 0
    assert "6 images" in capsys.readouterr().out
    assert open_dataset(tmp_path / "out").layout == "coco"


def test_merge_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = [str(image_mask_set(tmp_path / name, 3)) for name in ("a", "b")]
    call = ["convert", *roots, "--to", "kaggle-cracks", "--out", str(tmp_path / "out"), "--size", "16x20"]
    call += ["--prefix", "CFD,Wall", "--map", "defect=crack", "--json"]
    # The sets do not name their class; whatever it is called, an unknown name is refused.
    name = open_dataset(roots[0]).classes[0].name
    call[call.index("defect=crack")] = f"{name}=fissure"
    assert main(call) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["images"], facts["classes"], facts["left_out"]) == (6, ["fissure"], [])
    back = open_dataset(tmp_path / "out")
    assert set(back.sources) == {"CFD", "Wall"}
    assert back.samples[0].image().shape == (16, 20, 3)


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in "".join(told.split()) for name in TARGETS)


def test_left_out_images_are_exit_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = image_mask_set(tmp_path / "walls")
    (root / "images" / "003.png").write_bytes(b"no picture")
    call = ["convert", str(root), "--to", "severstal", "--out", str(tmp_path / "out")]
    assert main(call) == 3
    assert "003.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*call, "--skip-bad"]) == 1
    assert "003.png" in capsys.readouterr().err
    assert len(open_dataset(tmp_path / "out")) == 5


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--to", "cocoa"], "cocoa"),
        (["--to", "coco", "--map", "crack"], "OLD=NEW"),
        (["--to", "coco", "--ignored", "drop"], "keep or background"),
        (["--to", "coco", "--size", "big"], "height x width"),
    ],
)
def test_wrong_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str) -> None:
    root = image_mask_set(tmp_path / "walls", 2)
    assert main(["convert", str(root), "--out", str(tmp_path / "out"), *more]) == 2
    assert words in capsys.readouterr().err


def test_jpeg_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = image_mask_set(tmp_path / "walls", 2)
    assert main(["convert", str(root), "--to", "severstal", "--out", str(tmp_path / "out")]) == 0
    assert "2 written anew as JPEG" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "train_images" / "000.jpg") as opened:
        assert opened.format == "JPEG"
