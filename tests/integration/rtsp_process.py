"""An RTSP server over GStreamer, run by the system's Python (gi is in no other); `rtsp_server.py` starts it.

Reads one line of JSON from standard input, {"port": 0, "user": "", "password": "", "method": "digest", "mounts":
[{"path", "file", "codec"}]}, prints the port once it listens, and serves until it is killed or its parent ends. Every
client gets the file from its start, paced by its time stamps.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PR_SET_PDEATHSIG = 1
LAUNCH = {
    "h264": "( filesrc location={file} ! qtdemux ! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 )",
    "hevc": "( filesrc location={file} ! qtdemux ! h265parse config-interval=1 ! rtph265pay name=pay0 pt=96 )",
    "aac": "( filesrc location={file} ! qtdemux ! aacparse ! rtpmp4apay name=pay0 pt=97 )",
}


def main() -> None:
    """Serve until killed."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    Gst.init(None)
    wanted = json.loads(sys.stdin.readline())
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wanted["port"]))
    permitted = authentication(server, wanted) if wanted["user"] else None
    mounts = server.get_mount_points()
    for mount in wanted["mounts"]:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH[mount["codec"]].format(file=json.dumps(mount["file"])))
        if permitted is not None:
            factory.set_permissions(permitted)
        mounts.add_factory(f"/{mount['path']}", factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on port {wanted['port']}")
    print(server.get_bound_port(), flush=True)  # noqa: T201  the parent reads it
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    GLib.MainLoop().run()


def authentication(server: GstRtspServer.RTSPServer, wanted: dict[str, str]) -> GstRtspServer.RTSPPermissions:
    """Let only the user in. Returns what the mounts must ask for."""
    user, password = wanted["user"], wanted["password"]
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "guest")
    auth = GstRtspServer.RTSPAuth()
    if wanted["method"] == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permitted = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permitted.add_permission_for_role("guest", permission, True)
    return permitted


if __name__ == "__main__":
    main()
