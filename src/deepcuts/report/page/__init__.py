"""The page of a report: its tables, its template, and how the two become one HTML file."""
