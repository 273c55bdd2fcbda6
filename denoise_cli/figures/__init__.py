"""Pictures about pictures: contact sheets, and later curves and reports."""
