"""What is known of each metric before it is computed: a file each, none of which imports torch."""
