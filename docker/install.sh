#!/bin/sh
# Installs into /opt/sightline while an image is built: `install.sh libraries [INDEX OF TORCH]`, then `install.sh sightline`.
set -eu

folder=/opt/sightline
pip="$folder/bin/python -m pip --disable-pip-version-check --no-input"

libraries() {
    python3 -m venv "$folder"
    if [ -n "${1:-}" ]; then
        $pip install --constraint constraints.txt --index-url "$1" torch torchvision
    fi
    # They change more rarely than the program, so they come first and stay in the cache of layers.
    "$folder/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
print(*project["dependencies"], *project["optional-dependencies"]["postgres"], sep="\n")
' > requirements.txt
    $pip install --constraint constraints.txt --requirement requirements.txt
    without_windows
}

# OpenCV's wheel for the desktop needs an X server's libraries, and no container has a desktop. The headless wheel of the
# same version is laid over it; its own record stays, as other packages ask for it by name.
without_windows() {
    version=$("$folder/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
    $pip install --no-deps "opencv-python-headless==$version"
    rm -rf "$folder"/lib/python3*/site-packages/opencv_python.libs "$folder"/lib/python3*/site-packages/cv2/qt
    "$folder/bin/python" -c 'import cv2'
}

sightline() {
    $pip install --no-deps --constraint constraints.txt .
    "$folder/bin/sightline" --help > /dev/null
}

"$@"
