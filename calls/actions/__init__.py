"""What people and programs order: start, pause, hold, call back, erase. Reads and writes; sends nothing."""
