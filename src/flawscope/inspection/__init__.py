"""From photograph to prediction: one preprocessing, runtimes, tiles, working scale, thresholds."""
