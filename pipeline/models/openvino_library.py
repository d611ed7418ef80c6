"""The OpenVINO library, imported so that it tells nobody.

Its converter, which comes with the import, tells its makers of it through a statistics service: it keeps a number of
this user in the home folder, and forks the process to send. In continuous integration it does not, so it is told that
this is some.
"""

from __future__ import annotations

import os

_BEFORE = os.environ.get("CI")
os.environ["CI"] = "true"
try:
    import openvino as ov
    from openvino import opset13
finally:
    if _BEFORE is None:
        del os.environ["CI"]
    else:
        os.environ["CI"] = _BEFORE

__all__ = ["opset13", "ov"]
