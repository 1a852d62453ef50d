from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from flawscope.errors import ConfigError, UsageError
from flawscope.models import MODELS, build_model
from flawscope.models.encoder_decoder import ARCHITECTURES

from .networks import (
    check_export,
    check_gradient_reaches_everything,
    check_images_of_a_batch_do_not_meet,
    check_shapes,
)

SMALL: dict[str, dict[str, Any]] = {
    "smp-unet": {"encoder": "resnet18", "decoder_channels": (32, 16, 8, 8, 4)},
    "smp-unetplusplus": {"encoder": "resnet18", "decoder_channels": (32, 16, 8, 8, 4)},
    "smp-fpn": {"encoder": "resnet18"},
    "smp-deeplabv3plus": {"encoder": "resnet18"},
    "smp-segformer": {"encoder": "mit_b0"},
}


def test_every_architecture_is_tested_and_registered() -> None:
    assert SMALL.keys() == ARCHITECTURES.keys()
    assert ARCHITECTURES.keys() <= MODELS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_every_architecture_keeps_the_contract(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, classes=2, **SMALL[name])
    check_shapes(model, 3, 2)
    check_gradient_reaches_everything(model, 3)
    check_images_of_a_batch_do_not_meet(model, 3)


def test_the_exported_graph_serves_every_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    check_export(build_model("smp-unet", in_channels=1, **SMALL["smp-unet"]), 1, tmp_path)


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_encoder_weights_come_from_a_local_file(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = build_model("smp-unet", **SMALL["smp-unet"])
    state = {
        f"encoder.{key}": value.contiguous() for key, value in teacher.network.encoder.state_dict().items()
    }
    path = tmp_path / f"weights.{'safetensors' if kind == 'safetensors' else 'pth'}"
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state}, path)
    torch.manual_seed(1)
    pupil = build_model("smp-unet", encoder_weights=f"file:{path}", **SMALL["smp-unet"])
    for key, value in pupil.network.encoder.state_dict().items():
        assert torch.equal(value, state[f"encoder.{key}"])


def test_rgb_weights_fit_a_grey_encoder(tmp_path: Path) -> None:
    teacher = build_model("smp-unet", **SMALL["smp-unet"])
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in teacher.network.encoder.state_dict().items()}, path)
    grey = build_model("smp-unet", encoder_weights=f"file:{path}", in_channels=1, **SMALL["smp-unet"])
    wanted = teacher.network.encoder.conv1.weight.sum(dim=1, keepdim=True)
    torch.testing.assert_close(grey.network.encoder.conv1.weight, wanted)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "weights.pth"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(ConfigError, match="without running code"):
        build_model("smp-unet", encoder_weights=f"file:{path}")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"something": torch.zeros(3)}, path)
    with pytest.raises(ConfigError, match="holds 0 of"):
        build_model("smp-unet", encoder_weights=f"file:{path}")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigError, match="no state dict"):
        build_model("smp-unet", encoder_weights=f"file:{tmp_path / 'list.pth'}")


@pytest.mark.parametrize("wrong", [{"activation": "sigmoid"}, {"aux_params": {"classes": 1}}])
def test_options_that_answer_with_more_than_logits_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; networks answer with logits"):
        build_model("smp-unet", **wrong)


def save_encoder(path: Path, encoder: str, **more: torch.Tensor) -> Path:
    state = build_model("smp-unet", encoder=encoder).network.encoder.state_dict()  # type: ignore[union-attr, operator]
    save_file({**{key: value.contiguous() for key, value in state.items()}, **more}, path)
    return path


@pytest.mark.parametrize(
    ("theirs", "ours", "named"),
    [
        ("resnet18", "resnet34", r"lacks layer1\.2\.conv1\.weight"),
        ("resnet34", "resnet18", r"no place for, e\.g\. layer1\.2\."),
        ("resnet18", "resnet50", "lacks"),
    ],
)
def test_weights_of_a_network_of_the_same_family_are_refused(
    theirs: str, ours: str, named: str, tmp_path: Path
) -> None:
    """Half of their tensors fit: the rest of the encoder would stay random, and a frozen one for ever."""
    path = save_encoder(tmp_path / "weights.safetensors", theirs)
    with pytest.raises(ConfigError, match=named):
        build_model("smp-unet", encoder=ours, encoder_weights=f"file:{path}")


def test_a_head_and_counters_do_not_matter(tmp_path: Path) -> None:
    path = save_encoder(tmp_path / "all.safetensors", "resnet18", **{"fc.weight": torch.zeros(5, 512)})
    state = {key: value for key, value in load_file(path).items() if not key.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "old.safetensors")
    for file in (path, tmp_path / "old.safetensors"):
        pupil = build_model("smp-unet", encoder="resnet18", encoder_weights=f"file:{file}")
        assert torch.equal(pupil.network.encoder.conv1.weight, state["conv1.weight"])  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(("library", "first"), [("timm", "blocks.0.0.bn1"), ("torchvision", "features.0.0")])
def test_an_efficientnet_of_another_library_is_told_which_file_is_meant(
    library: str, first: str, tmp_path: Path
) -> None:
    state = whole_efficientnet(library).state_dict()
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    named = rf"{first}\..*smp-hub/efficientnet-bN\.imagenet.*tu-NAME"
    with pytest.raises(ConfigError, match=named):
        build_model("smp-unet", encoder="efficientnet-b0", encoder_weights=f"file:{path}")


def test_an_efficientnet_of_timm_answers_as_timm_s_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = whole_efficientnet("timm").eval()
    save_file(dict(teacher.state_dict()), tmp_path / "weights.safetensors")
    torch.manual_seed(1)
    pupil: Any = build_model(
        "smp-unet",
        encoder="tu-tf_efficientnet_b0",
        encoder_weights=f"file:{tmp_path / 'weights.safetensors'}",
    )
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        deepest = pupil.network.encoder.eval()(image)[-1]
        wanted = teacher.forward_intermediates(image)[1][-1]
    torch.testing.assert_close(deepest, wanted)


def whole_efficientnet(library: str) -> Any:
    """EfficientNet-B0 with random weights, head and all."""
    if library == "torchvision":
        return build_model("efficientnet-b0").network
    return build_model("timm", timm_name="tf_efficientnet_b0").network


def test_an_encoder_of_timm_takes_the_weights_of_its_network(tmp_path: Path) -> None:
    state = build_model("timm", timm_name="resnet10t", classes=5).network.state_dict()  # type: ignore[union-attr, operator]
    save_file(dict(state), tmp_path / "weights.safetensors")
    weights = f"file:{tmp_path / 'weights.safetensors'}"
    pupil = build_model("smp-unet", encoder="tu-resnet10t", encoder_weights=weights)
    theirs = pupil.network.encoder.model.layer4[0].conv1.weight  # type: ignore[union-attr, operator, index]
    assert torch.equal(theirs, state["layer4.0.conv1.weight"])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"encoder": "resnet81"}, "resnet81"),
        ({"encoder_weights": "swsl"}, "encoder_weights"),
        ({"encoder_weights": "file:/nowhere.safetensors"}, "nowhere"),
        ({"no_such_option": 1}, "no_such_option"),
        ({"decoder_channels": (8, 8)}, "decoder"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_model("smp-unet", **wrong)


@pytest.mark.parametrize("name", ["smp-fpn", "smp-deeplabv3plus", "smp-segformer"])
def test_logits_on_another_grid_than_the_image_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="upsampling is 8; networks answer with logits a pixel"):
        build_model(name, upsampling=8)
    build_model(name, upsampling=4)


def test_an_encoder_for_one_size_of_image_is_refused() -> None:
    for name in ("smp-unet", "fcn-8s"):
        with pytest.raises(ConfigError, match="one size only"):
            build_model(name, encoder="tu-swin_tiny_patch4_window7_224")


def test_an_unreachable_hub_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    import segmentation_models_pytorch as smp

    def offline(*_values: object, **_options: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(smp.Unet, "__init__", offline)
    with pytest.raises(UsageError, match="could not be fetched"):
        build_model("smp-unet", encoder_weights="imagenet")


def test_prior_sets_the_head() -> None:
    model = build_model("smp-unet", prior=0.1, **SMALL["smp-unet"])
    assert model.network.segmentation_head[0].bias.sigmoid().item() == pytest.approx(0.1)
