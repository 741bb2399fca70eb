"""Package metadata and dependencies of tnet_tf."""

from pathlib import Path

from setuptools import find_packages, setup

# Lower bounds are the oldest, upper bounds the newest releases that the tests passed with.
REQUIREMENTS = [
    "absl-py>=2.1,<3",
    "h5py>=3.11,<4",
    "importlib-resources>=6,<8",  # TFDS needs it and does not say so.
    "keras>=3.12,<3.16",
    "keras-cv>=0.9,<0.10",
    "matplotlib>=3.9,<4",
    "numpy>=2.0,<3",
    "pillow>=11,<14",
    "safetensors>=0.4.5,<1",
    "scikit-learn>=1.5,<2",
    "tensorboard>=2.19,<3",
    "tensorflow>=2.20,<2.22",
    "tensorflow-datasets>=4.9.9,<5",
    "tqdm>=4.66,<5",
]
# By the formats of `tnet_tf.export`; see tnet_tf/serving/formats.py.
EXPORT = {
    "litert": ["ai-edge-litert>=2.3,<3"],
    "onnx": ["onnx>=1.23,<2", "onnxruntime>=1.31,<2", "tf2onnx>=1.17,<2"],
    "openvino": ["nncf>=3.4,<4", "openvino>=2026.4,<2027"],
}
# Kinds of image files; see tnet_tf/images/.
IMAGES = {
    "tiff": ["imagecodecs>=2024.12.30,<2027", "tifffile>=2025.1.10,<2027"],
    "geo": ["rasterio>=1.4,<2"],
    "wsi": ["openslide-bin>=4.0.0.6,<5", "openslide-python>=1.4,<2"],
}
# Corruptions and attacks of `tnet_tf.evaluate`.
ROBUSTNESS = [
    "adversarial-robustness-toolbox>=1.18.2,<1.21",
    "imagecorruptions==1.1.2",  # Its internals are mended in tnet_tf/robustness/corruptions.py.
    "opencv-python>=4.10,<6",
    "scikit-image>=0.24,<0.27",
    "scipy>=1.14,<2",
]
DEVELOPMENT = [
    *[package for packages in (EXPORT | IMAGES).values() for package in packages],
    *ROBUSTNESS,
    "import-linter>=2.1,<3",
    "mypy>=1.15,<3",
    "pytest>=8.3,<10",
    "pytest-timeout>=2.3,<3",
    "pytest-xdist>=3.6,<4",
    "ruff>=0.11,<0.18",
    "tensorflow-serving-api>=2.20,<2.22",  # The protos of requests, in tests.
]

setup(
    name="tnet-tf",
    version="0.1.0",
    description="Hard attention for large images (TNet, MGNet), TensorFlow 2 and Keras 3",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["tnet_tf", "tnet_tf.*"]),
    install_requires=REQUIREMENTS,
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.22"],
        "dev": DEVELOPMENT,
        "robustness": ROBUSTNESS,
        **EXPORT,
        **IMAGES,
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
