"""Memory that photos took goes back to the system, instead of being kept for the next ones."""

import ctypes

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_ARENA_MAX = -1, -8

_ARENAS = 2  # by itself glibc makes eight a core
_KEPT = 128 * 1024  # bytes at the top of an arena; by itself glibc lets this grow


def give_back_freed_memory() -> bool:
    """Have glibc return what is freed; call it before there are threads.

    Decoders allocate and free a photo's pixels in whatever thread works on it. glibc keeps
    that memory in an arena for each of those threads and, after a large photo, returns less
    and less of it: a service that meets all kinds of photos would grow for hours.

    Returns:
        Whether it could be set; other C libraries have no such settings.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc, or no such library: Windows
        return False
    settings = ((_M_ARENA_MAX, _ARENAS), (_M_TRIM_THRESHOLD, _KEPT))
    return all(mallopt(name, value) == 1 for name, value in settings)
