"""flawscope finds, measures and grades cracks and surface defects in photographs."""
