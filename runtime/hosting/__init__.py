"""What a node does with the partitions it owns."""
