"""What people call in code of their own: any network and its images in, maps and pictures out."""
