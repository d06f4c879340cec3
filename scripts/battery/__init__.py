"""Whether caching hurts: stores that are killed, damaged, filled up, raced for and attacked, tool by tool."""
