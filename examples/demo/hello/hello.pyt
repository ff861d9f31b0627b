# The smallest test is a program: exit code 0 is a pass, any other a failure.
#
# canary executes this file twice. When it collects, to find out what there is to run; then
# __name__ is not "__main__". And when the job runs: `python hello.pyt`, in a directory of its own.

if __name__ == "__main__":
    total = sum(range(101))
    print(f"1 + 2 + ... + 100 = {total}")
    assert total == 5050
