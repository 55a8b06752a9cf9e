"""Training: it learns, stops early, and goes on after a kill as if nothing had happened."""

import resource

import numpy as np
import pytest
import torch
from payload import Payload
from put import put

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.data.dataset import Dataset
from faithcam.models import augmentation, losses, obtain, outputs, registry, train, weights
from faithcam.models.tables import MULTI_LABEL_PREDICTIONS
from faithcam.results import io as tables
from faithcam.results.files import record_path

SETTINGS = {
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "schedule": "constant",
    "weight_decay": 0.01,
    "batch_size": 16,
    "epochs": 4,
    "patience": 4,
    "flips": ["horizontal"],
    "rotation": 8,
    "pretrained": False,
}
FILES = ("weights.safetensors", "history.parquet", "predictions.parquet")


def dataset(size=28):
    """Dark images with a bright bar: at the top (class 0) or at the bottom (class 1)."""
    random = np.random.default_rng(0)
    counts = {"train": 60, "val": 20, "test": 20}
    total = sum(counts.values())
    labels = np.arange(total) % 3 // 2
    images = random.integers(0, 80, (total, size, size, 1), dtype=np.uint8)
    rows = np.where(labels, size - 8, 3)
    for image, row in zip(images, rows, strict=True):
        image[row : row + 5] += 120
    return Dataset(
        name="bars",
        classes=("top", "bottom"),
        size=size,
        channels=1,
        images=images,
        masks=np.zeros((total, size, size), dtype=np.uint8),
        image_ids=np.arange(total),
        labels=labels,
        splits=np.repeat(list(counts), list(counts.values())),
    )


def run(folder, data=None, seed=0, code="", **changes):
    settings = SETTINGS | changes
    data = data or dataset()
    model = (data, "vgg_small", "flatten", seed)
    train.train(*model, settings, 1, "cpu", folder, "data sha256", code=code)


def contents(folder):
    records = [record_path(folder / name).name for name in FILES]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, *records])
    return [(folder / name).read_bytes() for name in FILES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(folder)
    return folder


def test_it_learns_and_keeps_the_best_epoch(trained):
    history = tables.read(trained / "history.parquet").to_pandas()
    assert history.epoch.tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(history.best).tolist() == [history.val_loss.argmin()]
    assert history.val_balanced_accuracy.max() > 0.9
    data = dataset()
    model = weights.load(trained / "weights.safetensors", "vgg_small", "flatten", 2, 28)
    logits = outputs.predict(model, data, data.split("val"), torch.device("cpu"))
    predictions = tables.read(trained / "predictions.parquet").to_pandas()
    assert predictions.split.tolist() == ["val"] * 20 + ["test"] * 20
    assert predictions.image_id.tolist() == list(range(60, 100))
    assert predictions.label.tolist() == data.labels[60:].tolist()
    expected = logits.softmax(1).numpy()
    np.testing.assert_array_equal(np.stack(predictions.probabilities[:20]), expected)
    labels, weight = torch.from_numpy(data.labels[60:80]), torch.tensor([60 / 80, 60 / 40])
    loss = torch.nn.functional.cross_entropy(logits, labels, weight)
    assert float(loss) == pytest.approx(history.val_loss.min(), rel=1e-5)


def test_the_same_key_gives_the_same_bytes_and_another_seed_others(trained, tmp_path):
    state = torch.get_rng_state()
    run(tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), state)
    assert contents(tmp_path / "again") == contents(trained)
    run(tmp_path / "other", seed=1)
    assert contents(tmp_path / "other")[0] != contents(trained)[0]


@pytest.mark.parametrize("killed_in", [0, 2, 4])
def test_a_killed_training_goes_on_with_the_same_result(
    trained, tmp_path, monkeypatch, capsys, killed_in
):
    validate, calls = train._validate, []

    def validate_until_killed(*arguments):
        calls.append(arguments)
        return _kill() if len(calls) > killed_in else validate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train, "_validate", validate_until_killed)
        patch.setattr(train, "write", _kill)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    (tmp_path / ".checkpoint.pt.abc.part").write_bytes(b"half a checkpoint")
    capsys.readouterr()
    run(tmp_path)
    assert capsys.readouterr().out.count("validation loss") == 4 - killed_in
    assert contents(tmp_path) == contents(trained)


def _kill(*_):
    raise KeyboardInterrupt


def test_what_is_dropped_depends_on_the_epoch_not_on_what_ran_before(tmp_path, monkeypatch):
    build = registry.features

    def with_dropout(architecture):
        return torch.nn.Sequential(build(architecture), torch.nn.Dropout2d(0.3))

    monkeypatch.setattr(registry, "features", with_dropout)
    state = torch.get_rng_state()
    run(tmp_path / "whole", epochs=2)
    assert torch.equal(torch.get_rng_state(), state)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    validate = train._validate
    with monkeypatch.context() as patch:
        patch.setattr(
            train, "_validate", lambda *a: _kill() if checkpoint.exists() else validate(*a)
        )
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", epochs=2)
    torch.rand(7)
    run(tmp_path / "killed", epochs=2)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_the_learning_rate_falls_as_torchs_schedule():
    settings = {"learning_rate": 0.3, "epochs": 7}
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7)
    for epoch in range(7):
        falling = train.learning_rate(settings | {"schedule": "cosine"}, epoch)
        assert falling == pytest.approx(schedule.get_last_lr()[0])
        assert train.learning_rate(settings | {"schedule": "constant"}, epoch) == 0.3
        optimizer.step()
        schedule.step()


def test_the_schedule_changes_all_epochs_but_the_first(tmp_path):
    losses = []
    for schedule in ("constant", "cosine"):
        run(tmp_path / schedule, epochs=2, schedule=schedule)
        losses.append(
            tables.read(tmp_path / schedule / "history.parquet")["train_loss"].to_pylist()
        )
    (first, constant), (same, falling) = losses
    assert same == first
    assert falling != constant


DAMAGES = {
    "garbage": lambda content: b"half a file",
    "empty": lambda content: b"",
    "a pickle": lambda content: b"\x80\x02]q\x00.",
    "cut": lambda content: content[: len(content) // 2],
    "other byte": lambda content: content[:-3000] + bytes([content[-3000] ^ 1]) + content[-2999:],
}


@pytest.mark.parametrize("checkpoint", ["other settings", "other code", *DAMAGES])
def test_another_checkpoint_is_not_used(trained, tmp_path, monkeypatch, capsys, checkpoint):
    other = {"other settings": {"learning_rate": 0.02}, "other code": {"code": "2"}}
    with monkeypatch.context() as patch:
        patch.setattr(train, "write", _kill)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, **other.get(checkpoint, {}))
    file = tmp_path / "checkpoint.pt"
    if damage := DAMAGES.get(checkpoint):
        file.write_bytes(damage(file.read_bytes()))
    capsys.readouterr()
    run(tmp_path)
    said = capsys.readouterr().out
    assert f"{file}: not used, it is cut short, damaged or of a training with other" in said
    assert "epoch 0 of" in said
    assert contents(tmp_path) == contents(trained)


@pytest.mark.counts("attacks")
def test_a_pickle_for_a_checkpoint_is_not_loaded(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"epoch": Payload()}, "checkpoint.pt")
    run(tmp_path)
    assert "checkpoint.pt: not used" in capsys.readouterr().out
    assert contents(tmp_path) == contents(trained)


def test_a_file_that_cannot_grow_is_an_oserror(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            run(tmp_path, epochs=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_it_stops_after_patience_epochs_without_a_lower_loss(tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 1.0, 3.0, 1.0])
    monkeypatch.setattr(train, "_validate", lambda *_: (next(losses), 0.5))
    run(tmp_path / "long", epochs=30, patience=2)
    run(tmp_path / "two", epochs=2)
    assert contents(tmp_path / "long")[0] == contents(tmp_path / "two")[0]
    history = tables.read(tmp_path / "long" / "history.parquet").to_pydict()
    assert history["val_loss"] == [3.0, 1.0, 2.0, 1.0]
    assert history["best"] == [False, True, False, False]


def test_a_loss_that_is_not_finite_says_what_to_change(tmp_path):
    with pytest.raises(FaithcamError, match=r"training\.learning_rate.* epoch 0.* lower it"):
        run(tmp_path, learning_rate=1e30)
    assert list(tmp_path.iterdir()) == []


def test_a_class_without_training_images_is_named(tmp_path):
    data = dataset()
    data.labels[:60] = 0
    with pytest.raises(FaithcamError, match="bars: no training image of bottom"):
        run(tmp_path, data)


def test_weights_from_elsewhere_leave_the_same_files(trained, tmp_path):
    source = trained / "weights.safetensors"
    identity = Identity("bars", "vgg_small", "flatten", 0)
    obtain.adopt(dataset(), identity, source, torch.device("cpu"), tmp_path)
    adopted, original = contents(tmp_path), contents(trained)
    assert adopted[0] == original[0]
    assert adopted[2] == original[2]
    assert len(tables.read(tmp_path / "history.parquet")) == 0
    with pytest.raises(FaithcamError, match="weights of size 28 found, expected 32"):
        obtain.adopt(dataset(32), identity, source, torch.device("cpu"), tmp_path)


def test_obtain_trains_or_takes_the_users_weights(trained, tmp_path, monkeypatch):
    manifest = tmp_path / "data" / "manifest.json"
    manifest.parent.mkdir()
    put(manifest, "{}")
    monkeypatch.setattr(obtain, "open_dataset", {manifest.parent: dataset()}.__getitem__)
    monkeypatch.setattr(obtain.runtime, "configure", lambda *_: torch.device("cpu"))
    name = Identity("bars", "vgg_small", "flatten", 0)
    settings = {"seed": 1, "device": "cpu", "threads": 1, "training": SETTINGS}
    obtain.obtain(name, manifest, settings, tmp_path / "own", code="1")
    assert contents(tmp_path / "own") == contents(trained)
    weights_file = tmp_path / "own" / "weights.safetensors"
    obtain.obtain(name, manifest, settings, tmp_path / "taken", trained=weights_file)
    assert contents(tmp_path / "taken")[0] == contents(trained)[0]
    record = tmp_path / "record.json"
    put(record, '{"file": "resnet18.pth"}')
    with pytest.raises(FaithcamError, match="vgg_small has no ImageNet weights"):
        obtain.obtain(name, manifest, settings, tmp_path / "third", imagenet=record)


def multi_label(slices=0, size=28):
    """Images, or volumes, with a bright bar at the top, at the bottom, both or none."""
    random = np.random.default_rng(0)
    counts = {"train": 64, "val": 24, "test": 24}
    total = sum(counts.values())
    labels = np.stack([np.arange(total) % 2, np.arange(total) // 2 % 2], 1).astype(np.uint8)
    shape = (total, *([slices] if slices else []), size, size, 1)
    images = random.integers(0, 80, shape, dtype=np.uint8)
    for image, (top, bottom) in zip(images, labels, strict=True):
        part = image[slices // 2] if slices else image  # in one slice alone
        part[3:8] += 120 * top
        part[size - 8 : size - 3] += 120 * bottom
    ids = np.arange(total)
    splits = np.repeat(list(counts), list(counts.values()))
    masks = np.zeros(shape[:-1], np.uint8)
    return Dataset("bars", ("top", "bottom"), size, 1, images, masks, ids, labels, splits)


@pytest.mark.parametrize(("slices", "architecture"), [(0, "vgg_small"), (3, "axial_small")])
def test_several_labels_are_learnt_from_images_and_from_volumes(tmp_path, slices, architecture):
    data, settings = multi_label(slices), SETTINGS | {"epochs": 8, "patience": 8}
    train.train(data, architecture, "flatten", 0, settings, 1, "cpu", tmp_path)
    contents(tmp_path)
    history = tables.read(tmp_path / "history.parquet").to_pandas()
    assert history.val_balanced_accuracy.max() > 0.9
    model = weights.load(tmp_path / "weights.safetensors", architecture, "flatten", 2, 28)
    logits = outputs.predict(model, data, data.split("val"), torch.device("cpu"))
    labels = torch.from_numpy(data.labels[data.split("val")]).double()
    # each label is in half of the training images: no weights
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), labels)
    assert float(loss) == pytest.approx(history.val_loss.min(), rel=1e-5)
    table = tables.read(tmp_path / "predictions.parquet")
    assert table.schema.equals(MULTI_LABEL_PREDICTIONS)
    rows = table.to_pydict()
    assert rows["labels"][:4] == [[], [0], [1], [0, 1]]
    expected = [np.flatnonzero(row > 0).tolist() for row in logits.numpy()]
    assert rows["predicted"][:24] == expected
    np.testing.assert_allclose(rows["probabilities"][:24], logits.sigmoid().numpy(), atol=1e-6)


def test_a_rare_label_counts_as_much_as_its_absence():
    logits, labels = torch.zeros(4, 1), torch.tensor([[1], [0], [0], [0]], dtype=torch.uint8)
    data = multi_label()
    data.labels[:64] = 0
    data.labels[:16, 0] = 1  # 16 with, 48 without
    data.labels[:32, 1] = 1
    actual = losses.class_weights(data, data.split("train"))
    assert actual.tolist() == [3, 1]
    loss, total = losses.loss(logits, labels, actual[:1])
    assert float(loss) == pytest.approx((3 + 3) * np.log(2) / 4)
    assert float(total) == 4


@pytest.mark.parametrize("value", [0, 1])
def test_a_label_that_all_or_no_training_images_have_is_named(tmp_path, value):
    data = multi_label()
    data.labels[:64, 1] = value
    with pytest.raises(FaithcamError, match="bars: all training images or none have bottom"):
        run(tmp_path, data)


def test_all_slices_move_alike():
    motions = augmentation.rigid_motions(2, ["horizontal"], 8, np.random.default_rng(3))
    volumes = torch.rand(2, 5, 3, 16, 16)
    actual = augmentation.moved(volumes, motions)
    for s in range(5):
        torch.testing.assert_close(actual[:, s], augmentation.moved(volumes[:, s], motions))


def test_flips_are_exact_and_rotations_turn():
    images = torch.arange(2 * 3 * 16.0).reshape(2, 3, 4, 4)
    random = np.random.default_rng(1)
    motions = augmentation.rigid_motions(400, ["horizontal", "vertical"], 0, random)
    kinds = {tuple(m.diagonal().tolist()) for m in motions[:, :, :2]}
    assert kinds == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    both = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, -1, 0]]])
    expected = torch.stack([images[0].flip(2), images[1].flip(1)])
    torch.testing.assert_close(augmentation.moved(images, both), expected)
    quarter = augmentation.moved(images, torch.tensor([[[0.0, -1, 0], [1, 0, 0]]] * 2))
    torch.testing.assert_close(quarter, images.rot90(1, (2, 3)))
    angles = augmentation.rigid_motions(1000, [], 8, random)
    degrees = torch.atan2(angles[:, 1, 0], angles[:, 0, 0]).rad2deg()
    assert 7.8 < degrees.max() <= 8.001
    assert -8.001 <= degrees.min() < -7.8
