"""Whether hits can be trusted: small projects before and after an edit, arguments and results, tool by tool."""
