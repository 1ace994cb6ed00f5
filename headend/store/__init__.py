"""What the headend keeps: state that control needs after a crash, and history that people look back at."""
