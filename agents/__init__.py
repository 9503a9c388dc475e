"""The parties that agree a plan: Job Agent, Energy Agent, Policy Agent, and the scheduler that chairs."""
