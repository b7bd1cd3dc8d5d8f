"""What runs where: placement and rollouts as pure functions, and the planner, who writes what they return."""
