"""The platform's class, under the name by which PlatformIO looks it up."""

from platformio.public import PlatformBase


class K1nbsamplePlatform(PlatformBase):
    """Boards and builder of this folder; needs no packages."""
