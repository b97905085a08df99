"""What a network takes: parameters, memory, multiplications and seconds, known before it runs."""
