"""What a run is: its configuration, folder and stages, the pipeline that joins them, and grids of runs."""
