"""What this machine has for vicabench, what it lacks, and how to install that."""
