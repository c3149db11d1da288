"""What is done with stored messages and memberships beside the events: retention, export and erasure."""
