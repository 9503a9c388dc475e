"""Adapters to the outside world's signals: one class per service, plus the replayed and the simulated grid."""
