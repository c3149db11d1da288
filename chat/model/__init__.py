"""What a message, a room and their keys are; pure, but for the memory of the rate limits."""
