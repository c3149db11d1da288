"""Work on stored messages and memberships outside of events: retention, export and erasure."""
