"""What two rooms say to each other: protobuf contracts, their pure mappers, identities, and how a stream is held."""
