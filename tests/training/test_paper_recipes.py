"""The recipes of the crack papers take two steps, and say what the papers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.open import open_dataset
from flawscope.data.split_file import load_split
from flawscope.evaluation.tables import LAYOUTS
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import load_config, recipe_names
from flawscope.training.loop import fit
from flawscope.training.progress import Silent
from flawscope.training.run import train

from .small import draw, make_job, settings, write_set

COREDEEP = [name for name in recipe_names() if name.startswith("coredeep-")]
SMALL = (
    "model.options.encoder_weights=none", "input.size_hw=[64, 64]", "train.batch=2", "train.steps=2",
    "train.device=cpu", "train.workers=0", "train.threads=1",
)  # fmt: skip

ONE_STEP = (*SMALL, "model.options.encoder=resnet18", "train.steps=1")


def coredeep(name: str, *sets: str) -> TrainConfig:
    return load_config(name, (*SMALL, *sets))


def test_there_are_six() -> None:
    assert len(COREDEEP) == 6


@pytest.mark.parametrize("name", COREDEEP)
def test_the_papers_settings(name: str) -> None:
    config = load_config(name)
    assert config.input.size_hw == (448, 448) and config.data.crop_px == 0
    assert (config.optimiser.name, config.optimiser.lr, config.train.batch) == ("adam", 1e-3, 8)
    assert config.schedule.options == {"factor": 0.5, "patience": 50, "min_lr": 1e-6}
    assert config.validation.share == 0.2 and config.validation.threshold_rule == "half"
    kind = name.partition("resnet50-" if "resnet50" in name else "b4-")[2]
    assert config.loss[0].name == ("bce" if kind == "baseline" else "binary_focal_dice")
    assert config.augment.random.n == (0 if kind == "baseline" else 2)
    assert config.augment.stochastic_width.mode == ("every" if kind == "sw" else "off")


@pytest.mark.parametrize("name", COREDEEP)
def test_two_steps(name: str, tmp_path: Path) -> None:
    progress = fit(make_job(tmp_path, coredeep(name)))
    assert progress.step == 2
    assert np.isfinite(progress.history[-1]["train_loss"])


def test_any_network_takes_the_ideas_by_keys(tmp_path: Path) -> None:
    sets = ("augment.stochastic_width.mode=random", "augment.stochastic_width.kernels_px=[2, 7]",
            "input.activation=softmax")  # fmt: skip
    plain = ("model.name=unet", "model.options={ widths = [4, 8] }")
    config = load_config("coredeep-resnet50-sw", (*SMALL[1:], *sets, *plain))
    assert fit(make_job(tmp_path, config)).step == 2


def test_a_step_on_the_downloaded_kaggle_folder(tmp_path: Path) -> None:
    """The folder holds every image twice: in its part, and in the root. No test image may be learned from."""
    root = tmp_path / "kaggle"
    cracks = [f"{source}_{number:03d}" for source in ("CFD", "DeepCrack") for number in range(4)]
    clean = ["noncrack_noncrack_concrete_wall_0", "noncrack_noncrack_concrete_wall_1"]
    tested = {"CFD_003", "DeepCrack_003", clean[1]}
    for number, stem in enumerate([*cracks, *clean]):
        pixels, marked = draw(number)
        if stem in clean:
            pixels[marked == 1], marked = 175, np.zeros_like(marked)
        part, image, mask = "test" if stem in tested else "train", *map(Image.fromarray, (pixels, marked))
        for folder in (root, root / part):
            for kind, picture in (("images", image), ("masks", mask.point(lambda value: 255 * value))):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                picture.save(folder / kind / f"{stem}.jpg", quality=95)
    call = ["train", "coredeep-resnet50-baseline", "--data", str(root), "--out", str(tmp_path / "run")]
    assert main([*call, *(part for text in ONE_STEP for part in ("--set", text))]) == 0
    parts = load_split(tmp_path / "run" / "split.json").parts
    assert set(parts["test"]) == tested
    assert set(parts["train"] + parts["val"]) == {*cracks, *clean} - tested
    dataset = open_dataset(root)
    assert dataset.sources == ("CFD", "DeepCrack", "noncrack") and not np.any(dataset[clean[0]].mask)


@pytest.mark.slow
@pytest.mark.parametrize("name", COREDEEP)
def test_two_steps_at_full_size(name: str, tmp_path: Path) -> None:
    full = [text for text in SMALL if not text.startswith("input.size_hw")]
    assert fit(make_job(tmp_path, load_config(name, full))).step == 2


def test_half_is_the_argmax_and_chooses_nothing(tmp_path: Path) -> None:
    config = settings(validation={"threshold_rule": "half"}, train={"steps": 2})
    run = train(config, open_dataset(write_set(tmp_path / "set", 6)), tmp_path / "run", reporter=Silent())
    bundle = Bundle.load(run.bundle)
    assert bundle.threshold("crack") == 0.5 and bundle.min_area_px("crack") == 0
    assert "argmax" in bundle.manifest.thresholds["crack"].rule


@pytest.mark.parametrize("name", [name for name in recipe_names() if load_config(name).tables])
def test_a_recipe_prints_its_papers_table(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(load_config(name).tables) <= set(LAYOUTS)
    assert main(["recipes", name]) == 0
    shown = capsys.readouterr().out
    for table in load_config(name).tables:
        assert f"--like {table}" in shown and LAYOUTS[table].printed[0].rows[0][0] in shown
