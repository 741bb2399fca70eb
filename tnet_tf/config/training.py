"""Settings of a run."""

import dataclasses
import functools

from tnet_tf.config.setting import Part, require, require_finite, setting

PRECISIONS = ("float32", "bfloat16", "float16")

_progress = functools.partial(setting, part=Part.PROGRESS)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The run: where, how long, how fast."""

    run_dir: str = setting(
        "runs/default", "Folder of checkpoints, logs and reports.", usual=True, may_change=True
    )
    batch_size: int = setting(
        64, "Images per training step, over all devices together.", usual=True
    )
    train_steps: int = _progress(
        0, "Training steps; 0: --epochs decides.", usual=True, may_change=True
    )
    epochs: int = _progress(
        0, "Passes over the training split; 0: --train_steps decides.", usual=True, may_change=True
    )
    optimizer: str = setting("adam", "Optimiser.", choices=("adam", "adamw", "sgd"))
    weight_decay: float = setting(
        0.0,
        "AdamW's decoupled weight decay (Loshchilov and Hutter, 2019): each step takes this share "
        "of the weights, times the learning rate; not of biases and BatchNorm.",
    )
    gradient_clip: float = setting(
        0.0, "Norm that the gradients of all weights together may have; 0: any."
    )
    weight_average: float = setting(
        0.0,
        "Decay of an exponential moving average of the weights, such as 0.999; evaluation, the "
        "best model and exports then use the average; 0: none.",
    )
    early_stopping: int = _progress(
        0,
        "Evaluations in a row without a better validation top-1 after which training ends; 0: it "
        "goes on to its last step.",
    )
    precision: str = setting(
        "float32",
        "What networks compute in while they are trained or benchmarked; weights stay float32. "
        "float16 scales the loss. evaluate and export compute in float32.",
        choices=PRECISIONS,
    )
    adam_epsilon: float = setting(
        1e-7, "Adam's epsilon (the published code's; the paper says 1e-8)."
    )
    momentum: float = setting(0.9, "SGD's momentum where it does not cycle.")
    momentum_cycle: tuple[float, ...] = setting(
        (0.95, 0.85),
        "Highest and lowest momentum of SGD under --schedule=one_cycle: it falls while the rate "
        "rises, as in PyTorch; empty: --momentum, constant.",
    )
    learning_rate: float = setting(1e-3, "Learning rate of new layers.", usual=True)
    pretrained_learning_rate: float = setting(
        0.0, "Learning rate of layers loaded by --pretrained; 0: --learning_rate."
    )
    schedule: str = setting(
        "step",
        "Learning rate over the steps: 'step' drops it once; 'one_cycle' raises it to "
        "--learning_rate and lets it fall to almost 0, both along a cosine (MGNet paper, 4.1).",
        choices=("step", "one_cycle"),
    )
    warm_up: float = setting(
        0.2, "Share of the steps in which --schedule=one_cycle raises the learning rate."
    )
    learning_rate_drop_at: float = setting(
        0.8, "Share of the steps after which learning rates drop.", may_change=True
    )
    learning_rate_drop: float = setting(0.1, "Factor by which learning rates drop.")
    pretrained: str = _progress(
        "",
        "Weights to start from: a TensorFlow checkpoint with the published names, a "
        "keras.applications EfficientNet file (.h5, .weights.h5, .keras), or a state_dict of the "
        "published MGNet (.safetensors, .npz; .pt, .pth, .ckpt where PyTorch is installed).",
        usual=True,
    )
    seed: int = setting(0, "Seed of weights, order, augmentation, sampling and dropout.")
    deterministic: bool = _progress(False, "Make every operation deterministic (slower).")
    devices: int = _progress(
        0,
        "Devices to train on with MirroredStrategy; 0: all GPUs, or the CPU. On a machine "
        "without GPU, more than 1 makes that many virtual CPU devices.",
    )
    checkpoint_every: int = _progress(
        0, "Steps between checkpoints; 0: a tenth of the run, at most 1000.", may_change=True
    )
    evaluate_every: int = _progress(
        0, "Steps between evaluations; 0: with every checkpoint.", may_change=True
    )
    summary_every: int = _progress(50, "Steps between TensorBoard scalars.", may_change=True)
    profile_steps: tuple[int, ...] = _progress(
        (),
        "First and last step of a TensorBoard profile, such as 100,110; default: none.",
        may_change=True,
    )
    summary_images: int = _progress(
        4, "Images whose attended regions go to TensorBoard; 0: none.", may_change=True
    )

    def check(self) -> None:
        """Raises `UserError` for a value out of range or one that contradicts another."""
        require_finite(self)
        require(bool(self.run_dir), "--run_dir is empty; give the run's folder")
        require(
            (self.train_steps > 0) != (self.epochs > 0),
            "give either --train_steps or --epochs, as a positive number",
        )
        self._check_optimizer()
        require(self.summary_every > 0, "--summary_every must be positive")
        counts = ("checkpoint_every", "evaluate_every", "early_stopping", "summary_images")
        for name in ("devices", "seed", *counts):
            require(getattr(self, name) >= 0, f"--{name} must not be negative")
        if self.profile_steps:
            require(
                len(self.profile_steps) == 2 and 0 < self.profile_steps[0] <= self.profile_steps[1],
                "--profile_steps takes a first and a last step, counted from 1, such as 100,110",
            )
        if self.devices > 1:
            require(
                self.batch_size % self.devices == 0,
                f"--batch_size={self.batch_size} does not divide over --devices={self.devices}",
            )

    def _check_optimizer(self) -> None:
        require(self.learning_rate > 0, "--learning_rate must be positive")
        require(
            self.pretrained_learning_rate >= 0, "--pretrained_learning_rate must not be negative"
        )
        require(
            0 < self.learning_rate_drop_at <= 1, "--learning_rate_drop_at is a share of the steps"
        )
        require(
            0 < self.learning_rate_drop <= 1,
            f"--learning_rate_drop={self.learning_rate_drop} is a factor: above 0, up to 1",
        )
        require(0 < self.warm_up < 1, f"--warm_up={self.warm_up} is a share between 0 and 1")
        require(self.adam_epsilon > 0, "--adam_epsilon must be positive")
        require(0 <= self.momentum < 1, f"--momentum={self.momentum} must be 0 to below 1")
        if self.momentum_cycle:
            highest, lowest = self.momentum_cycle if len(self.momentum_cycle) == 2 else (0.0, 1.0)
            require(
                0 <= lowest <= highest < 1,
                "--momentum_cycle takes the highest and the lowest momentum, such as 0.95,0.85: 0 "
                "to below 1",
            )
        for name in ("weight_decay", "gradient_clip"):
            require(getattr(self, name) >= 0, f"--{name} must not be negative")
        decays = self.optimizer == "adamw"
        require(
            decays or not self.weight_decay,
            f"--weight_decay={self.weight_decay} has no effect on --optimizer={self.optimizer}; "
            "use --optimizer=adamw, or --l2_weight",
        )
        require(
            not decays or self.weight_decay > 0,
            "--optimizer=adamw needs --weight_decay, such as 0.01; without it use --optimizer=adam",
        )
        require(
            0 <= self.weight_average < 1,
            f"--weight_average={self.weight_average} is a decay: 0 to below 1",
        )
