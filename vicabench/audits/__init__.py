"""What a benchmark gives away: answers that can be guessed, doubtful labels, leaked questions."""
