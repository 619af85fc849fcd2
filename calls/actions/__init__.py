"""Actions of team members and programs: start, pause, hold, schedule, erase. Reads and writes; sends nothing."""
