"""What programs can ask of the execution, and of everything the execution has a say in."""
