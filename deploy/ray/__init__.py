"""The service and its training on Ray. Nothing is sent to Ray's makers."""

import os

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
