"""What this machine has for vicabench, what it lacks, and how to get that: one file a subject."""
