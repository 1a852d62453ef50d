"""What an inspection leaves behind: overlays, tables, annotation files, plots and the report.

Nothing here measures or predicts: every writer takes finished :class:`flawscope.types.Inspection` objects.
"""
