"""Memory that photos took goes back to the system, instead of being kept for the next ones."""

import ctypes

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_ARENAS = 2  # by itself glibc makes eight a core
# Bytes. What a usual photo takes is used again by the next one: pages that were given back have
# to be cleared before they are used again. What only a large photo takes is given back at once.
_LARGE = 2 * 1024 * 1024
_KEPT = 2 * _LARGE  # at the top of an arena


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
    settings = (
        (_M_ARENA_MAX, _ARENAS),
        (_M_TRIM_THRESHOLD, _KEPT),
        (_M_MMAP_THRESHOLD, _LARGE),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
