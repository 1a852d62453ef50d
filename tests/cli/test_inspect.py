"""``flawscope inspect`` and ``flawscope demo`` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.cli.app import main
from flawscope.inspection import default_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    pytest.importorskip("onnx")
    return _dark_bundle(tmp_path / "model")


def _dark_bundle(root: Path) -> Path:
    """A bundle that takes dark pixels for cracks."""
    from onnx import TensorProto, helper, numpy_helper

    from flawscope.bundle import ClassSpec, InputSpec, Manifest, StageSpec, write_bundle_folder

    weight = numpy_helper.from_array(np.full((1, 3, 1, 1), -20, np.float32), "w")
    bias = numpy_helper.from_array(np.array([20], np.float32), "b")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count, "h", "w"])
        for name, count in (("image", 3), ("logits", 1))
    ]
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"])
    graph = helper.make_graph([node], "dark", ends[:1], ends[1:], [weight, bias])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    manifest = Manifest(
        name="dark",
        classes=(ClassSpec(id=1, name="crack"),),
        input=InputSpec(mean=(0.0,) * 3, std=(1.0,) * 3),
        stages=(StageSpec(files={"onnx": "model.onnx"}),),
    )
    write_bundle_folder(root, manifest, {"model.onnx": data.SerializeToString()})
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    image = np.full((120, 160, 3), 220, np.uint8)
    image[50:56, 20:140] = 10
    Image.fromarray(image).save(folder / "one.png")
    Image.fromarray(image).save(folder / "two.png")
    return folder


def call(*arguments: object) -> int:
    return main([str(item) for item in arguments])


def test_photographs_become_results(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("inspect", photos, "--model", model, "--out", out, "--scale", "0.2mm") == 0
    said = capsys.readouterr()
    assert "2 images inspected: 2 findings in 2 images" in said.out
    assert str(out / "report.html") in said.out
    assert "[2/2] two.png: 1 finding," in said.err
    assert (out / "masks" / "one.png").exists()


def test_json_is_for_scripts(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "bad.jpg").write_text("no image")
    options = ("--threshold", "0.9", "--min-area", "crack=5", "--tta", "--format", "csv,coco", "--json")
    assert call("inspect", photos, "--model", model, "--out", tmp_path / "out", *options) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["findings"]) == (2, 2)
    assert result["failed"][0]["image"] == "bad.jpg"
    assert set(result["files"]) == {"csv", "coco", "run"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "spall=0.5"], "classes are: crack"),
        (["--threshold", "crack=high"], "Expected CLASS=NUMBER"),
        (["--threshold", "crack=1.5"], "expected 0 to 1"),
        (["--min-area", "2.5"], "whole number"),
        (["--min-area", "inf"], "whole number"),
        (["--min-area", "crack=-inf"], "whole number"),
        (["--min-area", "nan"], "whole number"),
        (["--threshold", "nan"], "expected 0 to 1"),
        (["--gate", "nan"], "gate"),
        (["--format", "pdf"], "Expected: csv"),
        (["--format", ""], "Expected: csv"),
        (["--shard", "4"], "Expected I/N"),
        (["--shard", "3/2"], "I from 1 to N"),
        (["--scale", "big"], "scale"),
        (["--runtime", "tpu"], "Unknown runtime"),
        (["--working-scale", "small"], "native, auto"),
        (["--fusion", "sum"], "fusion"),
        (["--scale-file", "absent.csv"], "cannot be read"),
        (["--unheard-of"], "--unheard-of"),
    ],
)
def test_wrong_use_is_exit_code_two(
    model: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert call("inspect", photos, "--model", model, "--out", tmp_path / "out", *options) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) <= 2


def test_what_is_odd_is_noted(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.csv").write_text("image,mm_per_px\noen.png,0.2\n")
    odd = ("--scale-file", tmp_path / "s.csv", "--shard", "3/3", "--format", "csv")
    assert call("inspect", photos, "--model", model, "--out", tmp_path / "out", *odd) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "note: shard 3/3 has no image to do: there are 2 in all",
        "note: the scale file names what is no image of this run: oen.png",
        "note: 2 of 2 images have no scale",
        "note: 2 of 2 images are not in the tables (not done yet with these settings): one.png, two.png",
    ]


def test_what_cannot_be_done_is_exit_code_three(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("inspect", photos, "--model", tmp_path, "--out", tmp_path / "out") == 3
    (tmp_path / "empty").mkdir()
    assert call("inspect", tmp_path / "empty", "--model", model, "--out", tmp_path / "out") == 3
    (model / "model.onnx").write_bytes(b"")
    assert call("inspect", photos, "--model", model, "--out", tmp_path / "out") == 3
    assert "does not match its SHA-256" in capsys.readouterr().err


def test_an_extra_that_is_missing_is_named(
    model: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert call("inspect", photos, "--model", model, "--out", tmp_path / "o", "--runtime", "openvino") == 2
    assert "flawscope[openvino]" in capsys.readouterr().err


def test_demo_leads_to_the_report(
    model: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "bundled"
    home.mkdir()
    model.rename(home / "default")
    photos.rename(home / "samples")
    monkeypatch.setattr(default_model, "_HOME", home)
    assert call("demo", "--out", tmp_path / "my report") == 0
    said = capsys.readouterr().out
    assert (tmp_path / "my report" / "report.html").as_uri() in said
    assert call("inspect", home / "samples", "--out", tmp_path / "out") == 0


def test_an_installation_without_a_model_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_model, "_HOME", tmp_path / "bundled")
    assert call("inspect", photos, "--out", tmp_path / "out") == 3
    assert "--model" in capsys.readouterr().err
    assert call("demo", "--out", tmp_path / "out") == 3
