"""Where a job could run and what each place and start would cost; who gets which half-hours."""
