"""What is shown: explanations, progress, searches, metrics, CSV files. Reads; never writes or sends."""
