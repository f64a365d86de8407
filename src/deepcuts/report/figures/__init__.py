"""The figures of a report. The one importer of matplotlib."""
